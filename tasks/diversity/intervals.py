"""Means with percentile-bootstrap intervals over prompts (Efron 1979)."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over n values and its 95 % interval; nan where n = 0."""

    mean: float
    low: float
    high: float
    n: int

    def json(self) -> dict[str, float | int | None]:
        return {name: None if value != value else value for name, value in asdict(self).items()}


def bootstrap_mean(values: NDArray[np.float64], resamples: int, seed: int) -> Estimate:
    """The mean of the values [n] that are not nan, with an interval from resampled prompts."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Estimate(np.nan, np.nan, np.nan, 0)
    draws = np.random.default_rng(seed).integers(len(known), size=(resamples, len(known)))
    low, high = np.quantile(known[draws].mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(known.mean()), float(low), float(high), len(known))
