"""GP-RND: what an infinitely wide, infinitely many-membered RND ensemble says, in closed form.

The mean squared error of infinitely many wide predictors is the posterior variance of a Gaussian process whose kernel
is that of their random initialisation: the arc-cosine kernel of a ReLU network (Cho & Saul 2009; He scaling).
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from tasks.tables import Floats

Doubles = NDArray[np.float64]
DEPTH = 2
NOISE = 0.03
"""Of the mean prior variance: keeps the Cholesky decomposition sound, and stands for noise in the targets."""
LANDMARKS = 10_000
"""Training rows above which so many of them stand for all (Nyström; Williams & Seeger 2001)."""


@dataclass(frozen=True)
class GaussianProcess:
    """Posterior variance given the training vectors."""

    known: Doubles  # [m, D] landmarks: all training rows where there are few
    factor: Doubles  # [m, m] lower Cholesky factor
    prior: Doubles | None  # [m, m] that of the landmarks' own kernel, where they stand for more rows
    noise: float

    @classmethod
    def fit(cls, emb: Floats, *, landmarks: int = LANDMARKS, seed: int = 0) -> "GaussianProcess":
        """emb: [n, D] known vectors.  O(min(n, landmarks)²·n)."""
        x = emb.astype(np.float64)
        rows = np.arange(len(x))
        if len(x) > landmarks:
            rows = np.sort(np.random.default_rng(seed).choice(len(x), landmarks, replace=False))
        known = x[rows]
        own = kernel(known, known)
        noise = NOISE * float(np.diag(own).mean())
        if len(rows) == len(x):
            return cls(known, _cholesky(own + noise * np.eye(len(own))), None, noise)
        jitter = 1e-8 * float(np.diag(own).mean()) * np.eye(len(own))
        cross = sum(of @ of.T for of in (kernel(known, part) for part in np.array_split(x, -(-len(x) // landmarks))))
        return cls(known, _cholesky(noise * (own + jitter) + cross), _cholesky(own + jitter), noise)

    def variance(self, emb: Floats) -> Doubles:
        """Posterior variance [n] at vectors [n, D]; higher is more novel."""
        x = emb.astype(np.float64)
        to_known = kernel(self.known, x)
        prior = variance(x)
        explained = np.square(_solve(self.factor, to_known)).sum(axis=0)
        if self.prior is None:
            return np.maximum(prior - explained, 0.0)
        by_landmarks = np.square(_solve(self.prior, to_known)).sum(axis=0)
        return np.maximum(prior - by_landmarks + self.noise * explained, 0.0)


def kernel(x: Doubles, z: Doubles) -> Doubles:
    """The arc-cosine kernel of degree 1 composed DEPTH times, [n, m]."""
    cross, own_x, own_z = x @ z.T, variance(x), variance(z)
    scale = np.sqrt(own_x[:, None] * own_z[None, :])
    for _ in range(DEPTH):
        cosine = np.clip(np.divide(cross, scale, out=np.zeros_like(cross), where=scale > 0), -1.0, 1.0)
        angle = np.arccos(cosine)
        cross = scale / np.pi * (np.sin(angle) + (np.pi - angle) * cosine)
    return cross


def variance(x: Doubles) -> Doubles:
    """The kernel of each row with itself, [n]: He scaling keeps it through the layers."""
    return np.square(x).sum(axis=1)


def _cholesky(matrix: Doubles) -> Doubles:
    factor: Doubles = scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
    return factor


def _solve(factor: Doubles, right: Doubles) -> Doubles:
    return scipy.linalg.solve_triangular(factor, right, lower=True, check_finite=False)
