"""How well scores tell novel rows from known ones, with intervals that resample both kinds."""

from collections.abc import Mapping, Sequence
from statistics import mean
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
        scores = np.r_[known, novel]
        order = np.argsort(scores, kind="stable")
        tied = np.r_[0, np.flatnonzero(np.diff(scores[order])) + 1]
        of_known, of_novel = (np.zeros((len(self.counts[0]), len(scores)), dtype=np.float32) for _ in range(2))
        of_known[:, order.argsort()[: len(known)]] = self.counts[0]
        of_novel[:, order.argsort()[len(known) :]] = self.counts[1]
        if len(tied) < len(scores):
            of_known, of_novel = (np.add.reduceat(of, tied, axis=1) for of in (of_known, of_novel))
        below = np.cumsum(of_known, axis=1) - 0.5 * of_known
        return np.einsum("rn,rn->r", below, of_novel, dtype=np.float64) / (len(known) * len(novel))


def intervals(
    scores: Mapping[str, Sequence[tuple[Doubles, Doubles]]], reference: str, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """For each detector its AUROC, a mean over seeds, with a 95 % interval, and that of its difference to the
    reference's.

    scores: by detector, for each seed, the scores of known rows [n] and of novel ones [m], the rows the same for all.
    """
    known, novel = scores[reference][0]
    resampling = Resampling(len(known), len(novel), resamples, seed)
    drawn = {name: np.mean([resampling.aurocs(*one) for one in of], axis=0) for name, of in scores.items()}
    whole = {name: mean(figures(*one)["auroc"] for one in of) for name, of in scores.items()}
    return {
        name: {
            "auroc": whole[name],
            **_interval("", drawn[name]),
            "difference": whole[name] - whole[reference],
            **_interval("difference_", drawn[name] - drawn[reference]),
        }
        for name in scores
    }


def _interval(prefix: str, values: Doubles) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}


def _counts(rng: np.random.Generator, n: int, resamples: int) -> NDArray[np.float32]:
    return rng.multinomial(n, np.full(n, 1 / n), resamples).astype(np.float32)
