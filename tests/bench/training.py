"""One GRPO step beside a bare TRL script that does the same. Bar: at most 1.1 times its CPU seconds.

2 million parameters, 16 completions of 16 tokens, a checker and a reward model; steps in turns, medians.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from transformers import LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from tasks.policy.params import PolicyParams
from tasks.policy.rewards import Seen, checker_reward, model_reward
from tasks.policy.train import train_grpo
from tasks.rewards import verdicts
from tasks.sft.scratch import small_llama, train_tokenizer

STEPS, WARM_UP, ROUNDS = 14, 4, 6
PARAMS = PolicyParams(batch=16, generations=4, max_completion=16, max_steps=STEPS, save_steps=10 * STEPS)
META = '{"family":"make_reduces","target":"\\\\.0"}'
PROMPTS = [f"Write a term of {n} nodes that reduces to \\.{n % 3} in one step or more." for n in range(STEPS * 4)]


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tokenizer = train_tokenizer(PROMPTS, 1024)
    model = small_llama(tokenizer, hidden=192, layers=4, heads=4, positions=256, seed=0)
    model.config.num_labels = 1
    judge = LlamaForSequenceClassification(model.config).eval()
    ways: dict[str, Callable[..., list[float]]] = {"ours": ours, "bare TRL": bare}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as work:
                fresh = small_llama(tokenizer, hidden=192, layers=4, heads=4, positions=256, seed=0)
                ends = way(fresh, judge, tokenizer, Path(work))
            taken[name] += [after - before for before, after in zip(ends[WARM_UP:], ends[WARM_UP + 1 :], strict=False)]
    seconds = {name: median(of) for name, of in taken.items()}
    parameters = model.num_parameters() / 1e6
    print(
        f"GRPO step, {parameters:.1f} million parameters, 16 × 16 tokens: ours {seconds['ours']:.3f} CPU s, bare TRL "
        f"{seconds['bare TRL']:.3f}: {seconds['ours'] / seconds['bare TRL']:.2f} times (bar 1.1), "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def ours(
    model: LlamaForCausalLM, judge: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, work: Path
) -> list[float]:
    """CPU seconds of this process at each step's end."""
    schedule = pl.DataFrame({"id": [str(n) for n in range(len(PROMPTS))], "prompt": PROMPTS, "meta": META})
    rewards = [checker_reward(PARAMS.reward), model_reward(judge, tokenizer, PARAMS.reward)]
    ends: list[float] = []
    train_grpo(
        model, tokenizer, schedule, rewards, Seen(work), PARAMS, work, lambda share: ends.append(time.process_time())
    )
    return ends


def bare(
    model: LlamaForCausalLM, judge: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, work: Path
) -> list[float]:
    """The same with nothing but TRL, as its documentation writes it."""
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.process_time())

    def checker(completions: list[str], meta: list[str], **_: Any) -> list[float | None]:
        return verdicts(meta, completions)

    arguments = GRPOConfig(
        output_dir=str(work),
        max_steps=STEPS,
        per_device_train_batch_size=16,
        num_generations=4,
        max_completion_length=16,
        learning_rate=PARAMS.learning_rate,
        beta=PARAMS.beta,
        loss_type="dr_grpo",
        scale_rewards="none",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
    )
    trainer = GRPOTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": [f"{text}\n" for text in PROMPTS], "meta": [META] * len(PROMPTS)}),
        processing_class=tokenizer,
        reward_funcs=[checker, judge],
        reward_processing_classes=[None, tokenizer],
        callbacks=[Clock()],
    )
    trainer.train()
    return ends


if __name__ == "__main__":
    main()
