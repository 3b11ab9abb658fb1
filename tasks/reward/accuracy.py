"""How often a reward model prefers the chosen answer, beside what length alone would say."""

import math
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Z = 1.959964  # of a normal deviate, 95 % within ±z


def accuracy_by_source(
    pairs: pl.DataFrame, chosen: NDArray[np.float64], rejected: NDArray[np.float64], longer_is_better: bool
) -> list[dict[str, Any]]:
    """Rows {source, pairs, accuracy, low, high, length_only}, the first over all sources.

    pairs: n rows with source, chosen, rejected.  chosen, rejected: scores [n].  A tie counts one half.
    low, high: the 95 % interval of the accuracy.
    """
    sign = 1 if longer_is_better else -1
    scored = pairs.select(
        "source",
        right=_right(chosen - rejected),
        right_by_length=_right(sign * length_difference(pairs)),
    )
    parts = [("all", scored), *((str(source), part) for (source,), part in sorted(scored.group_by("source")))]
    return [_row(source, part) for source, part in parts]


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share seen in n > 0 trials (Wilson 1927): within [0, 1] and honest at small n."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return middle - half, middle + half


def longer_is_better(pairs: pl.DataFrame) -> bool:
    """Whether the longer answer is chosen more often: what a guess by length would learn from training pairs."""
    return bool(_right(length_difference(pairs)).mean() >= 0.5)


def length_difference(pairs: pl.DataFrame) -> NDArray[np.float64]:
    """Characters of chosen less characters of rejected, [n]."""
    return (
        pairs["chosen"].str.len_chars().cast(pl.Int64) - pairs["rejected"].str.len_chars().cast(pl.Int64)
    ).to_numpy()


def _row(source: str, part: pl.DataFrame) -> dict[str, Any]:
    accuracy = float(part["right"].to_numpy().mean())
    low, high = wilson_interval(accuracy, len(part))
    return {
        "source": source,
        "pairs": len(part),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "length_only": float(part["right_by_length"].to_numpy().mean()),
    }


def _right(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(margin == 0, 0.5, (margin > 0).astype(float))
