"""How well scores tell novel rows from known ones, with intervals that resample both kinds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

Doubles = NDArray[np.float64]
TRUE_POSITIVES = 0.95


def figures(known: Doubles, novel: Doubles) -> dict[str, float]:
    """auroc; aupr, novel rows being the positives; fpr95, the share of known rows above the score that 95 % of novel
    ones reach. known, novel: scores [n], [m]."""
    truth = np.r_[np.zeros(len(known)), np.ones(len(novel))]
    scores = np.r_[known, novel]
    false, true, _ = roc_curve(truth, scores)
    return {
        "auroc": float(roc_auc_score(truth, scores)),
        "aupr": float(average_precision_score(truth, scores)),
        "fpr95": float(false[np.searchsorted(true, TRUE_POSITIVES)]),
    }


class Resampling:
    """The same draws, with replacement, of known and of novel rows for every detector: differences are paired."""

    def __init__(self, known: int, novel: int, resamples: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.counts = _counts(rng, known, resamples), _counts(rng, novel, resamples)

    def aurocs(self, known: Doubles, novel: Doubles) -> Doubles:
        """The AUROC in each resample, [resamples]: Mann and Whitney's U over all pairs, a tie one half."""
        values, at = np.unique(np.r_[known, novel], return_inverse=True)
        weight_known, weight_novel = (
            _by_value(counts, of, len(values))
            for counts, of in zip(self.counts, (at[: len(known)], at[len(known) :]), strict=True)
        )
        below = np.cumsum(weight_known, axis=1) - weight_known
        wins = ((below + 0.5 * weight_known) * weight_novel).sum(axis=1)
        return wins / (len(known) * len(novel))


def intervals(
    scores: Mapping[str, tuple[Doubles, Doubles]], reference: str, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """For each detector its AUROC with a 95 % interval, and that of its difference to the reference's.

    scores: by detector the scores of known rows [n] and of novel ones [m], the rows the same for all.
    """
    known, novel = scores[reference]
    resampling = Resampling(len(known), len(novel), resamples, seed)
    drawn = {name: resampling.aurocs(*of) for name, of in scores.items()}
    return {
        name: {
            "auroc": figures(*of)["auroc"],
            **_interval("", drawn[name]),
            "difference": figures(*of)["auroc"] - figures(known, novel)["auroc"],
            **_interval("difference_", drawn[name] - drawn[reference]),
        }
        for name, of in scores.items()
    }


def _interval(prefix: str, values: Doubles) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}


def _counts(rng: np.random.Generator, n: int, resamples: int) -> Doubles:
    return rng.multinomial(n, np.full(n, 1 / n), resamples).astype(np.float64)


def _by_value(counts: Doubles, at: NDArray[np.int64], values: int) -> Doubles:
    """Sum the rows' counts by the number of their score's value: [resamples, values]."""
    summed = np.zeros((values, len(counts)))
    np.add.at(summed, at, counts.T)
    return summed.T
