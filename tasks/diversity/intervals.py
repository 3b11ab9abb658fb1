"""What can be said of values by training seed and prompt: intervals, tests, equivalence.

Both are samples: seeds of all trainings that could have been, prompts of all that could be asked. So both are
resampled (a bootstrap over crossed factors, Owen 2007, "The pigeonhole bootstrap"), and tests flip whole seeds.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Doubles = NDArray[np.float64]
LEVEL = 0.95
SIGNIFICANT = 0.05
EXACT_UP_TO = 16
FLIPS = 100_000


@dataclass(frozen=True)
class Estimate:
    """A mean over n prompts and its 95 % interval; nan where n = 0."""

    mean: float
    low: float
    high: float
    n: int

    def within(self, least: float, most: float) -> "Estimate":
        """The interval without what cannot be; few seeds stretch it over the end of a measure's range."""
        return replace(self, low=max(least, self.low), high=min(most, self.high)) if self.n else self

    def json(self) -> dict[str, float | int | None]:
        return {name: None if value != value else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Resampling:
    """What each of S seeds and n prompts weighs in each of R resamples; the same for all that is compared."""

    seeds: Doubles  # [R, S]
    prompts: Doubles  # [R, n]

    @classmethod
    def draw(cls, seeds: int, prompts: int, resamples: int, seed: int) -> "Resampling":
        """How often each is drawn; of seeds, the departure from once is stretched as Student's t stretches a normal
        interval: a few resampled seeds alone differ by too little (percentiles of 6 held the truth in 87 % of trials).
        """
        rng = np.random.default_rng(seed)
        of_seeds, of_prompts = (
            rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64) for n in (seeds, prompts)
        )
        stretch = 1.0
        if seeds > 1:
            quantile = (1 + LEVEL) / 2
            stretch = t.ppf(quantile, seeds - 1) / norm.ppf(quantile) * math.sqrt(seeds / (seeds - 1))
        return cls(1 + stretch * (of_seeds - 1), of_prompts)

    def mean(self, values: Doubles, of: NDArray[np.bool_] | None = None) -> Estimate:
        """The mean of values [S, n] that are not nan, with the percentile interval of the resampled means.

        of: [n], which prompts count.
        """
        known = ~np.isnan(values) & (True if of is None else of)
        prompts = int(known.any(axis=0).sum())
        if not prompts:
            return Estimate(np.nan, np.nan, np.nan, 0)
        filled = np.where(known, values, 0.0)
        total = ((self.seeds @ filled) * self.prompts).sum(axis=1)
        drawn = ((self.seeds @ known) * self.prompts).sum(axis=1)
        means = np.divide(total, drawn, out=np.full(len(total), np.nan), where=drawn > 0)
        low, high = np.nanquantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(float(filled.sum() / known.sum()), float(low), float(high), prompts)


def sign_flip(differences: Doubles) -> float:
    """Two-sided p of paired differences [S] under the hypothesis that each could as well have the other sign.

    Exact up to 16 seeds (2^S flips; least p: 2 / 2^S), else of 100,000 random flips. nan without a difference.
    """
    if not len(differences):
        return np.nan
    return float((np.abs(_flipped_means(differences)) >= abs(differences.mean()) - 1e-12).mean())


def equivalence(differences: Doubles, delta: float) -> float:
    """p of the hypothesis that the mean of paired differences [S] lies at delta or further from 0, on either side.

    Two one-sided tests (Schuirmann 1987), each by sign flips of the differences less ±delta; the larger p. nan where
    there is no difference, or no delta above 0.
    """
    if not len(differences) or not delta > 0:
        return np.nan
    below = differences - delta
    above = -differences - delta
    return max(float((_flipped_means(side) <= side.mean() + 1e-12).mean()) for side in (below, above))


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted for their number (Holm 1979); nan stays and does not count."""
    known = sorted((name for name, value in p.items() if value == value), key=lambda name: p[name])
    adjusted = dict.fromkeys(p, np.nan)
    least = 0.0
    for rank, name in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p[name]))
        adjusted[name] = least
    return adjusted


def paired(one: Doubles, other: Doubles, delta: float, resampling: Resampling) -> dict[str, Any]:
    """A difference of values [S, n], paired by seed and prompt, with its interval, its test and its equivalence.

    Where nothing varies (em-dashes in λ-terms) nothing is tested.
    """
    difference = one - other
    estimate = resampling.mean(difference).json()
    known = ~np.isnan(difference)
    by_seed = np.where(known, difference, 0.0).sum(axis=1) / np.maximum(1, known.sum(axis=1))
    by_seed = by_seed[known.any(axis=1)]
    tested = by_seed[:0] if delta == 0 and not difference[known].any() else by_seed
    numbers = {"sign_flip_p": sign_flip(tested), "delta": delta, "equivalence_p": equivalence(tested, delta)}
    plain = {name: None if value != value else value for name, value in numbers.items()}
    p = plain["equivalence_p"]
    return {
        "difference": estimate.pop("mean"),
        **estimate,
        "by_seed": by_seed.tolist(),
        "sign_flip_p": plain["sign_flip_p"],
        "equivalence": {"delta": plain["delta"], "p": p, "holds": p is not None and p <= SIGNIFICANT},
    }


def _flipped_means(differences: Doubles) -> Doubles:
    n = len(differences)
    if n <= EXACT_UP_TO:
        signs = np.array(list(product((1.0, -1.0), repeat=n)))
    else:
        signs = np.random.default_rng(0).choice((1.0, -1.0), size=(FLIPS, n))
        signs[0] = 1.0
    means: Doubles = (signs * differences).mean(axis=1)
    return means
