"""One GRPO step beside a bare TRL script that does the same. Bar: at most 1.1 times its CPU seconds.

2 million parameters, 16 completions of 16 tokens, a checker and a reward model; steps in turns, medians. And what the
preset full would take, from a few steps of its sizes.
"""

import itertools
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
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
)
from trl import GRPOConfig, GRPOTrainer

from flows.params import ExperimentParams
from tasks.models import load_causal_lm, save_model
from tasks.policy.params import PolicyParams
from tasks.policy.rewards import Seen, checker_reward, model_reward
from tasks.policy.train import train_grpo
from tasks.reward.train import train_reward
from tasks.rewards import verdicts
from tasks.scratch import small_llama, train_tokenizer
from tasks.sft.train import train_sft

STEPS, WARM_UP, ROUNDS = 14, 4, 6
PARAMS = PolicyParams(batch=16, generations=4, max_completion=16, max_steps=STEPS, save_steps=10 * STEPS)
META = '{"family":"make_reduces","target":"\\\\.0"}'
PROMPTS = [f"Write a term of {n} nodes that reduces to \\.{n % 3} in one step or more." for n in range(STEPS * 4)]


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tokenizer = train_tokenizer(PROMPTS, 1024)
    model = small_llama(tokenizer, hidden=192, layers=4, heads=4, positions=256, seed=0)
    judge = LlamaForSequenceClassification(LlamaConfig(**{**model.config.to_dict(), "num_labels": 1})).eval()
    ways: dict[str, Callable[..., list[float]]] = {"ours": ours, "bare TRL": bare}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as work:
                ends = way(stored(model, tokenizer, Path(work) / "start"), judge, tokenizer, Path(work))
            taken[name] += [after - before for before, after in itertools.pairwise(ends[WARM_UP:])]
    seconds = {name: median(of) for name, of in taken.items()}
    parameters = model.num_parameters() / 1e6
    print(
        f"GRPO step, {parameters:.1f} million parameters, 16 × 16 tokens: ours {seconds['ours']:.3f} CPU s, bare TRL "
        f"{seconds['bare TRL']:.3f}: {seconds['ours'] / seconds['bare TRL']:.2f} times (bar 1.1), "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    preset_full()


def preset_full() -> None:
    """Seconds of a step of each training, times the steps that the preset asks for."""
    params = ExperimentParams(preset="full")
    tokenizer = train_tokenizer(PROMPTS, params.sft.vocabulary)
    shape = {"hidden": params.sft.hidden, "layers": params.sft.layers, "heads": params.sft.heads, "positions": 2048}
    model = small_llama(tokenizer, **shape, seed=0)
    answers = ["\\.0(\\.1)(\\.00)"] * len(PROMPTS)
    pairs = pl.DataFrame({"prompt": PROMPTS, "chosen": answers, "rejected": PROMPTS}).sample(
        2000, with_replacement=True
    )
    judge = LlamaForSequenceClassification(LlamaConfig(**{**model.config.to_dict(), "num_labels": 1}))
    schedule = pl.DataFrame({"id": PROMPTS, "prompt": PROMPTS, "meta": META})
    few = {"max_steps": STEPS, "save_steps": 10 * STEPS}
    sft, reward, policy = (of.model_copy(update=few) for of in (params.sft, params.reward, params.policy))
    rewards = [checker_reward(policy.reward), model_reward(judge, tokenizer, policy.reward)]
    trainings: dict[str, tuple[int, Callable[[Path, Callable[[float], None]], object]]] = {
        "SFT": (
            params.sft.max_steps,
            lambda work, show: train_sft(
                model, tokenizer, pairs["prompt"].to_list(), pairs["chosen"].to_list(), sft, work, show
            ),
        ),
        "reward": (
            params.reward.max_steps,
            lambda work, show: train_reward(judge, tokenizer, pairs, reward, work, show),
        ),
        "GRPO": (
            params.policy.max_steps,
            lambda work, show: train_grpo(
                stored(model, tokenizer, work / "start"),
                tokenizer,
                schedule,
                rewards,
                Seen(work),
                policy,
                work,
                show,
            ),
        ),
    }
    for name, (steps, training) in trainings.items():
        ends: list[float] = []
        with tempfile.TemporaryDirectory() as work:
            training(Path(work), lambda share, ends=ends: ends.append(time.perf_counter()))  # type: ignore[misc]
        step = median(after - before for before, after in itertools.pairwise(ends[WARM_UP:]))
        print(f"preset full, {name}: {step:.2f} s a step, {steps} steps {steps * step / 3600:.1f} h", flush=True)


def stored(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> PreTrainedModel:
    """The model as loaded from a folder, which TRL's reference model is loaded from too."""
    save_model(folder, model, tokenizer)
    return load_causal_lm(folder)


def ours(
    model: PreTrainedModel, judge: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, work: Path
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
    model: PreTrainedModel, judge: LlamaForSequenceClassification, tokenizer: PreTrainedTokenizerFast, work: Path
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
        logging_strategy="no",
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
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return ends


if __name__ == "__main__":
    main()
