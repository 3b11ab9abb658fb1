"""GP-RND: what an infinitely wide, infinitely many-membered RND ensemble says, in closed form.

The mean squared error of infinitely many wide predictors is the posterior variance of a Gaussian process whose kernel
is that of their random initialisation: the arc-cosine kernel of a ReLU network (Cho & Saul 2009; He scaling).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.tables import Floats

DEPTH = 2
NOISE = 0.03
"""Of the mean prior variance: keeps the Cholesky decomposition sound, and stands for noise in the targets."""
LANDMARKS = 10_000
"""Training rows above which so many of them stand for all (Nyström; Williams & Seeger 2001)."""


@dataclass(frozen=True)
class GaussianProcess:
    """Posterior variance given the training vectors."""

    known: Tensor  # [m, D] landmarks: all training rows where there are few
    factor: Tensor  # [m, m] lower Cholesky factor
    prior: Tensor | None  # [m, m] that of the landmarks' own kernel, where they stand for more rows
    noise: float

    @classmethod
    def fit(cls, emb: Floats, *, landmarks: int = LANDMARKS, seed: int = 0) -> "GaussianProcess":
        """emb: [n, D] known vectors.  O(min(n, landmarks)²·n)."""
        x = torch.from_numpy(emb).double()
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:landmarks].sort().values
        known = x[rows]
        own = kernel(known, known)
        scale = float(own.diagonal().mean())
        noise, one = NOISE * scale, torch.eye(len(own), dtype=own.dtype)
        if len(rows) == len(x):
            return cls(known, torch.linalg.cholesky(own + noise * one), None, noise)
        prior = own + 1e-6 * scale * one
        to_all = torch.zeros_like(own)
        for part in x.split(landmarks):
            cross = kernel(known, part)
            to_all += cross @ cross.T
        return cls(known, torch.linalg.cholesky(noise * prior + to_all), torch.linalg.cholesky(prior), noise)

    def variance(self, emb: Floats) -> NDArray[np.float64]:
        """Posterior variance [n] at vectors [n, D]; higher is more novel."""
        x = torch.from_numpy(emb).double()
        to_known = kernel(self.known, x)
        before, explained = variance(x), _squares(self.factor, to_known)
        if self.prior is None:
            left = before - explained
        else:
            left = before - _squares(self.prior, to_known) + self.noise * explained
        return np.maximum(left.numpy(), 0.0)


def kernel(x: Tensor, z: Tensor) -> Tensor:
    """The arc-cosine kernel of degree 1 composed DEPTH times, [n, D] and [m, D] → [n, m].

    The cosine is carried through the layers, for He scaling keeps a row's own variance. In float32: near 1, where
    arccos loses digits, the kernel does not, its slope there being 0.
    """
    cosine = (torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(z).T).float()
    for _ in range(DEPTH):
        cosine.clamp_(-1.0, 1.0)
        angle = cosine.acos()
        cosine = ((1 - cosine * cosine).sqrt() + (math.pi - angle) * cosine) / math.pi
    return cosine.double() * variance(x).sqrt()[:, None] * variance(z).sqrt()[None, :]


def variance(x: Tensor) -> Tensor:
    """The kernel of each row with itself, [n]: He scaling keeps it through the layers."""
    return x.square().sum(dim=1)


def _squares(factor: Tensor, right: Tensor) -> Tensor:
    """Squared lengths of the columns of factor⁻¹ · right."""
    return torch.linalg.solve_triangular(factor, right, upper=False).square().sum(dim=0)
