from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.params import HOW
from tasks.rewards import RewardMix
from tasks.tracking import Tracked

Arm = Literal["uniform", "density", "density-by-novelty", "placebo"]


class PolicyParams(Tracked):
    """GRPO from the SFT model, once for each way of choosing prompts.

    How many processes train is part of the cache key: each draws its completions from random numbers of its own, so
    another number says other things. Schedule, groups, batch and the loss are the same (bnpo aside, whose mean
    over tokens is each process's own).
    """

    max_steps: int = Field(120, ge=1, description="optimizer steps of each arm at most")
    max_tokens: int | None = Field(
        600_000, ge=1, description="tokens to train on at most, padding aside: what bounds a run on long texts"
    )
    batch: int = Field(64, ge=2, description="completions a step")
    generations: int = Field(8, ge=2, description="completions of one prompt, compared with each other")
    max_completion: int = Field(32, ge=1, description="tokens of a completion")
    max_prompt: int = Field(512, ge=8, description="tokens of a prompt; longer ones are left out and counted")
    learning_rate: float = Field(7e-5, gt=0, description="peak learning rate, constant after 5 % warm-up")
    beta: float = Field(0.02, ge=0, description="weight of the KL divergence from the SFT model; 0 is none")
    loss_type: Literal["dr_grpo", "dapo", "grpo", "bnpo"] = Field(
        "dr_grpo", description="how token losses are averaged; dr_grpo favours no length (arXiv 2503.20783)"
    )
    scale_rewards: Literal["none", "batch", "group"] = Field(
        "none", description="whether advantages are divided by a standard deviation; group would re-weight prompts"
    )
    lora_rank: int = Field(
        0,
        ge=0,
        description="rank of LoRA adapters on all linear layers, merged into what is saved; 0 trains all weights",
    )
    temperature: float = Field(1.0, gt=0, description="sampling temperature")
    reward: RewardMix = RewardMix()
    allow_weak_reward: bool = Field(
        False, description="train even where the reward model's held-out accuracy is not clear of chance"
    )
    launcher: Literal["none", "accelerate"] = Field(
        "none",
        json_schema_extra=HOW,
        description="none: in this process; accelerate: in processes of their own, on a GPU each or on the CPU",
    )
    num_processes: int = Field(1, ge=1, description="processes that share every batch; more than one need accelerate")
    side_by_side: int = Field(
        1,
        ge=1,
        json_schema_extra=HOW,
        description="policies trained at once, each in processes of its own, on GPUs of its own or its share of cores",
    )
    vllm: bool = Field(
        False, description="sample with vLLM on the GPUs that train; a killed run then goes on, but not to the last bit"
    )
    save_steps: int = Field(30, ge=1, description="steps between checkpoints")
    seed: int = Field(0, ge=0, description="seed of the schedule and of sampling")

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        if self.batch % self.generations:
            raise ValueError(f"batch={self.batch} must be a multiple of generations={self.generations}")
        if self.batch % self.num_processes:
            raise ValueError(f"batch={self.batch} must be a multiple of num_processes={self.num_processes}")
        if self.num_processes > 1 and self.launcher == "none":
            raise ValueError(f"num_processes={self.num_processes} need a launcher: add --policy.launcher accelerate")
        return self
