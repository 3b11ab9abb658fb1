"""A Bradley–Terry reward model (TRL's RewardTrainer): p(chosen ≻ rejected) = σ(r(chosen) − r(rejected))."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from tasks.errors import TrainingError
from tasks.models import context_length
from tasks.prompting import answered_ids, as_answer, as_prompt
from tasks.reward.params import RewardParams
from tasks.training import common_arguments, steps_to_train, train


def train_reward(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: pl.DataFrame,
    params: RewardParams,
    work: Path,
    progress: Callable[[float], None],
) -> list[dict[str, float]]:
    """Train `model` in place on rows prompt, chosen, rejected; return the log by step.

    Goes on from the last whole checkpoint in `work`. Raises TrainingError where no pair is left.
    """
    if pairs.is_empty():
        raise TrainingError(
            "No pair is short enough to train the reward model on. Raise --reward.max-length, or give shorter pairs."
        )
    steps = steps_to_train(
        token_lengths(tokenizer, pairs).sum_horizontal().to_list(),
        params.batch,
        max_steps=params.max_steps,
        max_epochs=params.max_epochs,
        max_tokens=params.max_tokens,
    )
    data = Dataset.from_dict(
        {
            "prompt": [as_prompt(text, tokenizer) for text in pairs["prompt"]],
            "chosen": [as_answer(text, tokenizer) for text in pairs["chosen"]],
            "rejected": [as_answer(text, tokenizer) for text in pairs["rejected"]],
        }
    )
    arguments = RewardConfig(
        **common_arguments(
            work, max_steps=steps, save_steps=params.save_steps, seed=params.seed, tracker=params.tracker
        ),
        per_device_train_batch_size=params.batch,
        learning_rate=params.learning_rate,
        warmup_steps=max(1, steps // 20),
        max_length=None,
    )
    trainer = RewardTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
    return train(trainer, work, progress)


def short_enough(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame, max_length: int
) -> pl.DataFrame:
    """The pairs of which both sides, with prompt and end, have at most max_length tokens."""
    longest = token_lengths(tokenizer, pairs).max_horizontal()
    return pairs.filter(longest <= min(max_length, context_length(model)))


def token_lengths(tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame) -> pl.DataFrame:
    """Tokens of each pair's two sides, prompt and end with each: columns chosen and rejected."""
    return pl.DataFrame(
        {
            side: [len(answered_ids(p, a, tokenizer)) for p, a in zip(pairs["prompt"], pairs[side], strict=True)]
            for side in ("chosen", "rejected")
        },
        schema={"chosen": pl.Int64, "rejected": pl.Int64},
    )
