"""GRPO (Shao et al. 2024, arXiv 2402.03300) with TRL's own trainer over a schedule drawn beforehand.

Departures from TRL's defaults, on purpose: the dataset is the schedule itself, not shuffled, the whole
run one epoch (so that frequencies are the weights' and resume is exact); advantages are not divided by
a group's deviation and token losses not by a completion's length (Dr. GRPO), since both re-weight
prompts, which is what the arms are to differ in.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from tasks.errors import InputError
from tasks.policy.params import PolicyParams
from tasks.policy.rewards import RewardFunction, Seen
from tasks.prompting import as_prompt
from tasks.training import common_arguments, train


def train_grpo(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    schedule: pl.DataFrame,
    rewards: list[RewardFunction],
    seen: Seen,
    params: PolicyParams,
    work: Path,
    progress: Callable[[float], None],
) -> list[dict[str, float]]:
    """Train `model` in place (with LoRA too: the adapters are merged) on schedule rows id, prompt, meta in their order.

    Returns the log by step.

    The rewards are added; `seen` is called with every batch and adds nothing.
    Goes on from the last whole checkpoint in `work`. Of several processes each has an equal part of every batch:
    TRL compares rewards within a group wherever its rows are. Raises InputError where vLLM is asked for and not there.
    """
    if params.vllm:
        _require_vllm()
    steps = len(schedule) * params.generations // params.batch
    data = Dataset.from_dict(
        {
            "prompt": [as_prompt(text, tokenizer) for text in schedule["prompt"]],
            "text": schedule["prompt"].to_list(),
            "meta": schedule["meta"].to_list(),
            "id": schedule["id"].to_list(),
        }
    )
    arguments = GRPOConfig(
        **common_arguments(
            work, max_steps=steps, save_steps=params.save_steps, seed=params.seed, tracker=params.tracker
        ),
        per_device_train_batch_size=params.batch // params.num_processes,
        num_generations=params.generations,
        max_completion_length=params.max_completion,
        shuffle_dataset=False,
        num_train_epochs=1,
        learning_rate=params.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=max(1, steps // 20),
        beta=params.beta,
        loss_type=params.loss_type,
        scale_rewards=params.scale_rewards,
        temperature=params.temperature,
        top_k=0,
        use_vllm=params.vllm,
        vllm_mode="colocate",
    )
    trainer = GRPOTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
        reward_funcs=[*rewards, seen],
        peft_config=_lora(params.lora_rank) if params.lora_rank else None,
    )
    log = train(trainer, work, progress)
    if params.lora_rank:
        trainer.model.merge_and_unload()
    return log


def _require_vllm() -> None:
    if importlib.util.find_spec("vllm") is None or not torch.cuda.is_available():
        raise InputError(
            "--policy.vllm needs a GPU and the package vllm (pip install 'katflow[vllm]'), and one of them is missing. "
            "Leave the flag out: TRL then samples by itself."
        )


def _lora(rank: int) -> LoraConfig:
    """Adapters (Hu et al. 2021, arXiv 2106.09685) on every linear layer but the output.

    Switched off they leave the model as it began: that is TRL's reference for the KL divergence.
    """
    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
