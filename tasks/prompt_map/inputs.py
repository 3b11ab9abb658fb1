"""What the map is drawn from, read and checked."""

import json
from pathlib import Path

import polars as pl

from tasks.errors import InputError
from tasks.tables import PROMPTS, WEIGHTS, read_table


def read_prompts(path: Path) -> pl.DataFrame:
    """id, prompt, source, and reward (a number) where the table has it."""
    table = read_table(path, {name: PROMPTS[name] for name in ("id", "prompt", "source")})
    rewards = [pl.col("reward").cast(pl.Float64)] if table.schema.get("reward", pl.Null()).is_numeric() else []
    return table.select("id", "prompt", "source", *rewards)


def read_weights(folder: Path) -> tuple[pl.DataFrame, dict[str, float]]:
    """id, density, weight; and the alpha, floor and cap that the weights were made with.

    Raises InputError where the density stage's report does not say them.
    """
    weights = read_table(folder / "weights.parquet", WEIGHTS).select(*WEIGHTS)
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return weights, {name: float(report[name]) for name in ("alpha", "floor", "cap")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'report.json'} does not say alpha, floor and cap ({error}), so the page could not show other "
            "weights. Make the densities again."
        ) from None
