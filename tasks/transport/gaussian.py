"""What moments alone tell of an optimal map: the linear one between two Gaussians, and coordinates in which it is 1.

The map of N(mx, Σx) onto N(my, Σy) for the squared cost is x ↦ my + A (x − mx) with the Bures map
A = Σx^{-1/2} (Σx^{1/2} Σy Σx^{1/2})^{1/2} Σx^{-1/2} (Dowson & Landau 1982; Knott & Smith 1984), positive definite.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.tables import Floats

Doubles = NDArray[np.float64]
LEAST_EIGENVALUE = 1e-6
"""Of a covariance, relative to its mean eigenvalue: below, a direction holds nothing that a map could be told from."""
BLOCK = 8192
"""Rows at once in 64 bits."""


@dataclass(frozen=True)
class Moments:
    """Mean [D] and covariance [D, D], positive definite, of one side."""

    mean: Doubles
    cov: Doubles


def moments(x: Floats) -> Moments:
    """Of samples [n, D]: the mean, and Ledoit & Wolf's (2004, eq. 14) covariance.

    With 16,000 tokens at D = 2048 the map between plain sample covariances has an error of 7 %, between shrunk ones
    0.01 %; where n is many times D they hardly differ. Departure: coordinates are brought to variance 1 before, so that
    correlations are shrunk and each variance stays; one coordinate of a thousand times the others' spread, as hidden
    states have, would else draw theirs up to its own. Eigenvalues are kept above `LEAST_EIGENVALUE`.
    Raises InputError for fewer than two samples, or samples that are all alike.
    """
    n, size = x.shape
    if n < 2:
        raise InputError(f"{n} vectors have no covariance, so no map can be fitted. Give more sequences.")
    mean = x.mean(axis=0, dtype=np.float64)
    blocks = [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
    variance = sum((np.square(x[block] - mean).sum(axis=0) for block in blocks), np.zeros(size)) / n
    if variance.mean() <= 0:
        raise InputError("All vectors of one side are alike, so there is nothing to transport. See what embedded them.")
    std = np.sqrt(np.maximum(variance, LEAST_EIGENVALUE * variance.mean()))
    sample, fourth = np.zeros((size, size)), 0.0
    for block in blocks:
        centred = (x[block] - mean) / std
        sample += centred.T @ centred / n
        fourth += float(np.square(np.square(centred).sum(axis=1)).sum()) / n
    scale = float(np.trace(sample)) / size
    spread = float(np.square(sample - scale * np.eye(size)).sum())
    noise = (fourth - float(np.square(sample).sum())) / n
    shrunk = min(1.0, noise / spread) if spread > 0 else 1.0
    sample *= 1 - shrunk
    sample[np.diag_indices(size)] += shrunk * scale
    if shrunk <= LEAST_EIGENVALUE:
        values, vectors = np.linalg.eigh(sample)
        sample = (vectors * np.maximum(values, LEAST_EIGENVALUE * scale)) @ vectors.T
    return Moments(mean, sample * np.outer(std, std))


@dataclass(frozen=True)
class Balance:
    """Coordinates u of the source and v of the target, in which means are 0, covariances equal and diagonal.

    u = c M (x − mx), v = c M^{-T} (y − my) with MᵀM = A. ⟨u, v⟩ = c² ⟨x − mx, y − my⟩, so a map is optimal between u
    and v just if it is between x and y; the identity is the Gaussian solution. c makes a coordinate's mean variance 1.

    With Cholesky's Σx = Lx Lxᵀ and Σy = Ly Lyᵀ and the singular values Lyᵀ Lx = V S Uᵀ, M = S^{-1/2} Vᵀ Lyᵀ and
    M^{-T} = S^{-1/2} Uᵀ Lxᵀ give both covariance S (the balancing of Laub et al. 1987): no square root of a covariance
    is taken, and no product of two, which would lose the small of widely spread variances.
    """

    source_mean: Doubles
    target_mean: Doubles
    to_source: Doubles
    """c M, [D, D]: row vectors x become (x − mx) @ to_source.T."""
    to_target: Doubles
    """c M^{-T}."""

    @classmethod
    def of(cls, source: Moments, target: Moments) -> "Balance":
        lower, other = np.linalg.cholesky(source.cov), np.linalg.cholesky(target.cov)
        left, values, right = np.linalg.svd(other.T @ lower)
        c, roots = float(values.mean()) ** -0.5, np.sqrt(values)[:, None]
        return cls(source.mean, target.mean, c * left.T @ other.T / roots, c * right @ lower.T / roots)

    def source(self, x: Floats, rank: int | None = None) -> Floats:
        """[n, D] to balanced coordinates, all or the first ones, which vary most."""
        return _mapped(x, self.source_mean, self.to_source[:rank])

    def target(self, y: Floats, rank: int | None = None) -> Floats:
        return _mapped(y, self.target_mean, self.to_target[:rank])

    @property
    def from_target(self) -> Doubles:
        """[D, D], of row vectors: the inverse of `to_target`, for which no system is solved, since M^{-T} has Mᵀ."""
        square = float((self.to_source * self.to_target).sum()) / len(self.source_mean)  # c²
        return self.to_source / square

    def back(self, v: Floats) -> Floats:
        """Balanced coordinates of the target to its own."""
        return (v @ self.from_target + self.target_mean).astype(np.float32)


def _mapped(x: Floats, mean: Doubles, matrix: Doubles) -> Floats:
    """(x − mean) @ matrix.T, a block at a time in 64 bits."""
    mapped = np.empty((len(x), len(matrix)), dtype=np.float32)
    for start in range(0, len(x), BLOCK):
        mapped[start : start + BLOCK] = (x[start : start + BLOCK] - mean) @ matrix.T
    return mapped
