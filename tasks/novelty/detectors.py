"""Detectors beside RND, all fitted on the same known vectors: a higher score is more novel."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from tasks.novelty.gp import GaussianProcess
from tasks.tables import Floats

Doubles = NDArray[np.float64]
LOF_NEIGHBOURS = 20

Detector = Callable[[Floats, Floats, int], Doubles]
"""Known vectors [n, D], vectors to judge [m, D], seed → scores [m]."""


def gp_rnd(known: Floats, judged: Floats, seed: int) -> Doubles:
    return GaussianProcess.fit(known, seed=seed).variance(judged)


def knn(k: int) -> Detector:
    """Mean Euclidean distance to the k nearest known vectors."""

    def distance(known: Floats, judged: Floats, seed: int) -> Doubles:
        found, _ = NearestNeighbors(n_neighbors=min(k, len(known))).fit(known).kneighbors(judged)
        return found.mean(axis=1).astype(np.float64)

    return distance


def mahalanobis(known: Floats, judged: Floats, seed: int) -> Doubles:
    """Squared Mahalanobis distance to the known mean, the covariance shrunk (Ledoit & Wolf 2004)."""
    return LedoitWolf().fit(known.astype(np.float64)).mahalanobis(judged.astype(np.float64))


def lof(known: Floats, judged: Floats, seed: int) -> Doubles:
    """Local outlier factor (Breunig et al. 2000)."""
    neighbours = min(LOF_NEIGHBOURS, len(known) - 1)
    return -LocalOutlierFactor(n_neighbors=neighbours, novelty=True).fit(known).score_samples(judged)


def isolation_forest(known: Floats, judged: Floats, seed: int) -> Doubles:
    """Isolation forest (Liu et al. 2008)."""
    return -IsolationForest(random_state=seed).fit(known).score_samples(judged)


DETECTORS: dict[str, Detector] = {
    "gp_rnd": gp_rnd,
    "knn_5": knn(5),
    "knn_10": knn(10),
    "mahalanobis": mahalanobis,
    "lof": lof,
    "isolation_forest": isolation_forest,
}
SEEDED = {"isolation_forest"}
"""Those that draw random numbers; the others say the same with every seed."""


def length(known: Sequence[str], judged: Sequence[str]) -> Doubles:
    """How far a text's length is from the known median, as a factor: what no vector is needed for."""
    of = lambda texts: np.log([max(1, len(text)) for text in texts])  # noqa: E731
    return np.abs(of(judged) - np.median(of(known)))
