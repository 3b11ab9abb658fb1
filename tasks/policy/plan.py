"""The training prompts with their weights, and the schedule of an arm."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from tasks.errors import TrainingError
from tasks.policy.params import Arm, PolicyParams
from tasks.policy.schedule import expected_counts, systematic_schedule
from tasks.prompting import prompt_ids
from tasks.tables import PROMPTS, WEIGHTS, read_table
from tasks.training import steps_to_train

PLACEBO = 1  # of the seed's streams of random numbers, the one that permutes


def trainable(
    prompts: Path, weights: Path, tokenizer: PreTrainedTokenizerBase, max_prompt: int
) -> tuple[pl.DataFrame, int]:
    """Training prompts of at most max_prompt tokens with their weights, and the number of longer ones.

    The table: id, prompt, source, meta, weight, tokens.

    Raises TrainingError where none is left.
    """
    table = (
        read_table(prompts, {**PROMPTS, "split": pl.String, "meta": pl.String})
        .filter(split="train")
        .join(read_table(weights, WEIGHTS), on="id", how="left", maintain_order="left")
    )
    if table["weight"].null_count():
        missing = table.filter(pl.col("weight").is_null())["id"][0]
        raise TrainingError(f"Prompt {missing} has no weight, so it could never be drawn. Weigh these prompts again.")
    lengths = [len(prompt_ids(text, tokenizer)) for text in table["prompt"]]
    short = table.with_columns(tokens=pl.Series(lengths, dtype=pl.Int64)).filter(pl.col("tokens") <= max_prompt)
    if short.is_empty():
        raise TrainingError(f"No training prompt has at most {max_prompt} tokens. Raise --policy.max-prompt.")
    return short.select("id", "prompt", "source", "meta", "weight", "tokens"), len(table) - len(short)


def settings(arm: Arm, params: PolicyParams, schedule: pl.DataFrame, too_long: int) -> dict[str, Any]:
    """What was set on purpose, and how long the run was, as one row of a table."""
    chosen = ("beta", "loss_type", "scale_rewards", "learning_rate", "temperature", "batch", "generations", "seed")
    return {
        "arm": arm,
        **params.model_dump(include={*chosen, "allow_weak_reward", "lora_rank", "num_processes"}),
        **params.reward.model_dump(),
        "steps": len(schedule) * params.generations // params.batch,
        "groups": len(schedule),
        "prompts drawn": schedule["id"].n_unique(),
        "prompts too long": too_long,
    }


def arm_weights(arm: Arm, table: pl.DataFrame, seed: int) -> NDArray[np.float64]:
    """The weights [n] that decide how often an arm draws each prompt.

    density, density-by-novelty: the table's own.  placebo: those, each on another prompt by the seed, so that repeating
    some prompts more than others is the same and only which ones differs; over all of them, so that the sources'
    shares are uniform's, not density's.
    """
    weight = table["weight"].to_numpy()
    match arm:
        case "uniform":
            return np.ones(len(table))
        case "density" | "density-by-novelty":
            return weight
        case "placebo":
            return np.random.default_rng([seed, PLACEBO]).permutation(weight)


def draw_schedule(arm: Arm, table: pl.DataFrame, params: PolicyParams) -> pl.DataFrame:
    """The rows of `table` in training order, one for each group of completions."""
    steps = steps_to_train(
        (table["tokens"] + params.max_completion).to_list(),
        params.batch,
        max_steps=params.max_steps,
        max_tokens=params.max_tokens,
    )
    groups = steps * params.batch // params.generations
    return table[systematic_schedule(arm_weights(arm, table, params.seed), groups, params.seed)]


def count_table(
    arm: Arm,
    table: pl.DataFrame,
    schedule: pl.DataFrame,
    seen: Mapping[int, Sequence[Mapping[str, str]]],
    params: PolicyParams,
) -> pl.DataFrame:
    """id, expected (groups · p), drawn and seen (groups trained on) for each prompt.

    seen: each step's completions, as `read_seen` gives them.
    """
    rows = Counter(row["id"] for step in seen.values() for row in step)
    groups = {name: count / params.generations for name, count in rows.items()}
    return (
        table.select("id")
        .with_columns(expected=expected_counts(arm_weights(arm, table, params.seed), len(schedule)))
        .join(schedule.group_by("id").len("drawn"), on="id", how="left", maintain_order="left")
        .with_columns(
            pl.col("drawn").fill_null(0).cast(pl.Int64),
            seen=pl.col("id").replace_strict(groups, default=0.0, return_dtype=pl.Float64),
        )
    )
