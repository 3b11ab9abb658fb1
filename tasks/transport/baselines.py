"""Maps that nothing is trained for: what a learnt one has to beat."""

from dataclasses import dataclass

import numpy as np
import ot
from scipy.linalg import solve

from tasks.tables import Floats
from tasks.transport.distances import squared_distances
from tasks.transport.gaussian import Doubles

RIDGE = 1e-3
"""Of the mean variance of a coordinate."""


@dataclass(frozen=True)
class Affine:
    """x ↦ A x + b; A None is 1."""

    matrix: Doubles | None
    offset: Doubles

    def __call__(self, x: Floats) -> Floats:
        moved = x if self.matrix is None else x @ self.matrix.T.astype(np.float32)
        return (moved + self.offset).astype(np.float32)


@dataclass(frozen=True)
class Barycentric:
    """Exact optimal transport between two samples, at other points by the nearest source sample's displacement
    (Ferradans et al. 2014; POT's EMDTransport moves new points so)."""

    source: Floats
    moved: Floats

    def __call__(self, x: Floats) -> Floats:
        out = np.empty_like(x)
        for start in range(0, len(x), len(self.source)):
            block = x[start : start + len(self.source)]
            nearest = squared_distances(block, self.source).argmin(axis=1)
            out[start : start + len(block)] = block + self.moved[nearest] - self.source[nearest]
        return out


def identity(dimension: int) -> Affine:
    return Affine(None, np.zeros(dimension))


def mean_shift(source: Doubles, target: Doubles) -> Affine:
    """From one mean [D] to another."""
    return Affine(None, target - source)


def ridge(x: Floats, y: Floats) -> Affine:
    """The least-squares map of pairs [n, D] → [n, D], a supervised one: no other method sees the pairs."""
    mx, my = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    u, v = x - mx, y - my
    gram = u.T @ u / len(u)
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram)
    matrix = solve(gram, u.T @ v / len(u), assume_a="pos").T
    return Affine(matrix, my - matrix @ mx)


def emd(x: Floats, y: Floats, most: int, rng: np.random.Generator) -> Barycentric:
    """Barycentric projection of the exact plan between at most `most` samples of each side."""
    source, target = (side[rng.permutation(len(side))[: min(most, len(side))]] for side in (x, y))
    plan = ot.emd([], [], squared_distances(source, target), numItermax=10_000_000)
    return Barycentric(source, (plan @ target / plan.sum(axis=1, keepdims=True)).astype(np.float32))
