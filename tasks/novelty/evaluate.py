"""How well scores tell novel rows from known ones, with intervals that resample both kinds."""

from collections.abc import Mapping, Sequence
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
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
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

    def figures(self, known: Doubles, novel: Doubles) -> dict[str, Doubles]:
        """`figures` of each resample, [resamples]."""
        scores = np.r_[known, novel]
        order = np.argsort(-scores, kind="stable")
        tied = np.r_[0, np.flatnonzero(np.diff(scores[order])) + 1]
        false, true = (np.zeros((len(self.counts[0]), len(scores)), dtype=np.float32) for _ in range(2))
        false[:, order.argsort()[: len(known)]] = self.counts[0]
        true[:, order.argsort()[len(known) :]] = self.counts[1]
        if len(tied) < len(scores):
            false, true = (np.add.reduceat(of, tied, axis=1) for of in (false, true))
        false_above, true_above = (np.cumsum(of, axis=1) for of in (false, true))
        above = len(known) - false_above + 0.5 * false
        enough = (true_above >= np.float32(TRUE_POSITIVES * len(novel) - 1e-3)).argmax(axis=1)
        precision = true_above / np.maximum(true_above + false_above, 1)
        return {
            "auroc": np.einsum("rn,rn->r", above, true, dtype=np.float64) / (len(known) * len(novel)),
            "aupr": np.einsum("rn,rn->r", precision, true, dtype=np.float64) / len(novel),
            "fpr95": false_above[np.arange(len(enough)), enough].astype(np.float64) / len(known),
        }


def intervals(
    scores: Mapping[str, Sequence[tuple[Doubles, Doubles]]], reference: str, resamples: int, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Detector → auroc, aupr, fpr95 → {mean (over seeds), low, high, difference (to the reference's), difference_low,
    difference_high}, 95 % intervals.

    scores: by detector, for each seed, the scores of known rows [n] and of novel ones [m], the rows the same for all.
    """
    known, novel = scores[reference][0]
    resampling = Resampling(len(known), len(novel), resamples, seed)
    drawn = {name: _means([resampling.figures(*one) for one in of]) for name, of in scores.items()}
    whole = {name: _means([figures(*one) for one in of]) for name, of in scores.items()}
    return {
        name: {
            figure: {
                "mean": float(mean),
                **_interval("", drawn[name][figure]),
                "difference": float(mean - whole[reference][figure]),
                **_interval("difference_", drawn[name][figure] - drawn[reference][figure]),
            }
            for figure, mean in whole[name].items()
        }
        for name in scores
    }


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: np.mean([row[name] for row in rows], axis=0) for name in rows[0]}


def _interval(prefix: str, values: Doubles) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}


def _counts(rng: np.random.Generator, n: int, resamples: int) -> NDArray[np.float32]:
    return rng.multinomial(n, np.full(n, 1 / n), resamples).astype(np.float32)
