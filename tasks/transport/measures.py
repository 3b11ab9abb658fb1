"""How good a map is: against the truth, against pairs, against held-out samples of the target."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from tasks.tables import Floats
from tasks.transport.distances import distances

RANKS = (1, 5, 10)
PROJECTIONS = 256
RESAMPLES = 500


def uvp(moved: Floats, truth: Floats, variance: float) -> float:
    """Unexplained variance, %: 100 E|T(x) − T*(x)|² / Var(y) (L2-UVP, Korotin et al. 2021).

    moved, truth: [n, D].  variance: of the target, of all coordinates together.
    """
    return 100 * _mean_square(moved - truth) / variance


def cosine(x: Floats, moved: Floats, truth: Floats) -> float:
    """Between the displacements T(x) − x and T*(x) − x over all n points at once; 0 where either is 0 everywhere."""
    ours, true = (moved - x).astype(np.float64), (truth - x).astype(np.float64)
    norm = float(np.linalg.norm(ours) * np.linalg.norm(true))
    return float((ours * true).sum()) / norm if norm else 0.0


def paired_error(moved: Floats, y: Floats, variance: float) -> float:
    """100 E|T(x) − y|² / Var(y), %, y the true partner of x."""
    return uvp(moved, y, variance)


def transport_cost(x: Floats, moved: Floats) -> float:
    """E|T(x) − x|²."""
    return _mean_square(moved - x)


def pooled(tokens: Floats, lengths: NDArray[np.int64]) -> Floats:
    """The mean of each sequence's tokens: [sum of lengths, D] → [n, D]."""
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    sums = np.add.reduceat(tokens, starts, axis=0, dtype=np.float64)
    return (sums / lengths[:, None]).astype(np.float32)


def partner_ranks(moved: Floats, y: Floats) -> NDArray[np.int64]:
    """For each of n: how many of y [n, D] lie at least as near to its moved vector as its partner, from 1.

    Ties count against it, so that a map to one point has no luck, and so does what is not a number.
    """
    apart = cdist(moved, y, "sqeuclidean")
    return (~(apart > np.diag(apart)[:, None])).sum(axis=1)


def recall(ranks: NDArray[np.int64], k: int) -> float:
    """Share of true partners among the k nearest."""
    return float((ranks <= k).mean())


def energy_distance(moved: Floats, y: Floats) -> float:
    """2 E|a − b| − E|a − a'| − E|b − b'| (Székely & Rizzo 2013), unbiased; units of a coordinate. [n, D], [m, D]."""
    n, m = len(moved), len(y)
    within = distances(moved, moved).sum() / (n * (n - 1)) + distances(y, y).sum() / (m * (m - 1))
    return float(2 * distances(moved, y).mean() - within)


def sliced_w2(moved: Floats, y: Floats, rng: np.random.Generator) -> float:
    """Root of the mean squared 2-Wasserstein distance over random directions, units of a coordinate. [n, D] both."""
    directions = rng.standard_normal((moved.shape[1], PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    ours, theirs = (np.sort(side @ directions, axis=0) for side in (moved, y))
    return float(np.sqrt(np.square(ours - theirs).mean()))


def better_fit(one: Floats, other: Floats, y: Floats, groups: Sequence[NDArray[np.int64]], seed: int) -> float:
    """How far, at least, `one` is nearer to y than `other` is: the lower end of a 95 % interval of the difference of
    their energy distances.

    one, other: [n, D], two maps of the same points.  y: [n, D].  groups: rows of one sequence, which are resampled
    together, for they are not independent; moved points and targets by themselves. Distances within a sequence, and
    those between it and its partner, do not count: they tell of sequences, not of the two distributions.
    """
    sums = {
        name: _between(a, b, groups)
        for name, (a, b) in {
            "one": (one, y),
            "other": (other, y),
            "in one": (one, one),
            "in other": (other, other),
        }.items()
    }
    rng = np.random.default_rng(seed)
    sizes = np.array([len(rows) for rows in groups])
    gains = []
    for _ in range(RESAMPLES):
        x, t = (np.bincount(rng.integers(len(groups), size=len(groups)), minlength=len(groups)) for _ in range(2))
        between, within = (float((x @ sizes) * (z @ sizes) - (x * sizes) @ (z * sizes)) for z in (t, x))
        if not between or not within:
            continue
        crossed = 2 * (x @ (sums["other"] - sums["one"]) @ t) / between
        gains.append(crossed - (x @ (sums["in other"] - sums["in one"]) @ x) / within)
    return float(np.quantile(gains, 0.025))


def _between(a: Floats, b: Floats, groups: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Sums of distances between the groups' rows of a and of b, [groups, groups]; 0 of a group with itself."""
    starts = np.concatenate([[0], np.cumsum([len(rows) for rows in groups])[:-1]])
    order = np.concatenate(groups)
    rows = np.add.reduceat(distances(a[order], b[order]), starts, axis=0)
    sums = np.add.reduceat(rows, starts, axis=1)
    np.fill_diagonal(sums, 0.0)
    return sums


def _mean_square(difference: Floats) -> float:
    return float(np.square(difference, dtype=np.float64).sum(axis=1).mean())
