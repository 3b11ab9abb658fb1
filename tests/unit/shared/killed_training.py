"""A small training run that kills its own process in the middle: `python killed_training.py KIND WORK OUT STEP`.

KIND sft, reward, grpo or lora; WORK the trainer's folder; OUT a folder for each process's weights; STEP 0 never kills.
Under torchrun grpo runs in several processes, of which the last is killed.
"""

import os
import random
import signal
import sys
from pathlib import Path

import polars as pl
import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models import load_causal_lm, save_model
from tasks.policy.params import PolicyParams
from tasks.policy.rewards import Seen, read_seen
from tasks.policy.train import train_grpo
from tasks.reward.params import RewardParams
from tasks.reward.train import train_reward
from tasks.runtime import rank
from tasks.scratch import small_llama, train_tokenizer
from tasks.sft.params import SftParams
from tasks.sft.train import train_sft

STEPS = 6
PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))


def main(kind: str, work: Path, out: Path, kill_at: int) -> None:
    torch.set_num_threads(1)
    rng = random.Random(0)
    prompts = [f"say {rng.randrange(100)}" for _ in range(40)]
    tokenizer = train_tokenizer(prompts, 300)
    model = small_llama(tokenizer, hidden=16, layers=1, heads=2, positions=64, seed=0)

    def watch(share: float) -> None:
        if kill_at and round(share * STEPS) == kill_at and rank() == PROCESSES - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    if kind == "sft":
        params = SftParams(max_steps=STEPS, save_steps=2, batch=4)
        train_sft(model, tokenizer, prompts, prompts[::-1], params, work, watch)
    elif kind == "reward":
        model = classifier(model)
        pairs = pl.DataFrame({"prompt": prompts, "chosen": prompts[::-1], "rejected": ["no"] * 40})
        train_reward(model, tokenizer, pairs, RewardParams(max_steps=STEPS, save_steps=2, batch=4), work, watch)
    else:
        start = work / f"start-{rank()}"  # TRL loads the reference model from the folder
        save_model(start, model, tokenizer)
        model = load_causal_lm(start)
        grpo(model, tokenizer, prompts, work, watch, lora_rank=4 if kind == "lora" else 0)
    out.mkdir(exist_ok=True)
    save_file({name: value.clone() for name, value in model.state_dict().items()}, out / f"{rank()}.safetensors")


def classifier(model: PreTrainedModel) -> PreTrainedModel:
    from transformers import LlamaForSequenceClassification

    torch.manual_seed(0)
    model.config.num_labels = 1
    return LlamaForSequenceClassification(model.config)


def grpo(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[str], work: Path, watch, lora_rank: int
) -> None:
    params = PolicyParams(
        max_steps=STEPS,
        save_steps=2,
        batch=8,
        generations=4,
        max_completion=4,
        learning_rate=1e-2,
        lora_rank=lora_rank,
        launcher="accelerate" if PROCESSES > 1 else "none",
        num_processes=PROCESSES,
    )
    schedule = pl.DataFrame({"id": [str(i) for i in range(12)], "prompt": prompts[:12], "meta": [None] * 12})

    def long_answers(completions: list[str], **_: object) -> list[float]:
        return [float(len(answer)) for answer in completions]

    train_grpo(model, tokenizer, schedule, [long_answers], Seen(work, rank()), params, work, watch)
    seen = [row["id"] for _, step in sorted(read_seen(work).items()) for row in step]
    assert seen == [str(i) for i in range(12) for _ in range(4)], seen


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
