"""Random pairs of token sequences, NL and Lean, and the maps between them that are known.

Every distribution is isotropic on both sides, x ~ N(m, s I) and y ~ N(m', s' I), so the optimal map between them (the
Bures map of two Gaussians, Σx^{-1/2} (Σx^{1/2} Σy Σx^{1/2})^{1/2} Σx^{-1/2}) is √(s'/s) I, moved so that means
meet. With k = 0 … D-1:

    NL         m_k = sin(2πk/D), s = nl_cov_scale
    separate   y drawn apart from x: m'_k = cos(2πk/D) + mean_shift, s' = lean_cov_scale
    affine     y = Ax + b + σε: A = a R, R turning each plane (2j, 2j+1) by θ, b = m' - Am, m' as for separate;
               s' = a² s + σ².  A is no gradient of a convex function: the pairing is not the optimal map
    coupled    y = x + σε: m' = m, s' = s + σ²

a: affine_scale.  θ: rotation_angle.  σ: noise_scale.  An odd D's last number is not turned. Tokens are independent of
each other; both sides of an id have equally many.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tasks.tables import Floats
from tasks.token_vectors import SEQUENCES_A_GROUP, Tokens
from tasks.transport.params import RandomPairsParams

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """Moments of both sides, the optimal map y = ot_matrix x + ot_bias, and how y was made of x, if it was."""

    nl_mean: Floats  # [D]
    nl_cov: Floats  # [D, D]
    lean_mean: Floats
    lean_cov: Floats
    ot_matrix: Floats  # [D, D], symmetric positive definite
    ot_bias: Floats
    pair_matrix: Floats | None = None  # the best guess of a token's partner; None where there is none to guess
    pair_bias: Floats | None = None

    def tensors(self) -> dict[str, Floats]:
        """What there is, by name."""
        return {of.name: value for of in fields(self) if (value := getattr(self, of.name)) is not None}


def truth_of(params: RandomPairsParams) -> Truth:
    """The known maps, [D] and [D, D] float32."""
    law = _Law(params)
    eye = np.eye(params.hidden_dim, dtype=np.float32)
    stretch = np.sqrt(law.lean_variance / params.nl_cov_scale)
    pairing: tuple[Floats, Floats] | tuple[None, None] = None, None
    if params.distribution_type != "separate":
        pairing = law.turned(eye).T.copy(), law.bias.astype(np.float32)
    return Truth(
        law.nl_mean.astype(np.float32),
        np.float32(params.nl_cov_scale) * eye,
        law.lean_mean.astype(np.float32),
        np.float32(law.lean_variance) * eye,
        np.float32(stretch) * eye,
        (law.lean_mean - stretch * law.nl_mean).astype(np.float32),
        *pairing,
    )


def random_pairs(params: RandomPairsParams) -> Iterator[tuple[Tokens, Tokens]]:
    """NL and Lean sequences of the same ids and lengths, 64 at a time.

    A sequence is drawn from (seed, its number) alone, and by no matrix product: its bytes depend neither on the number
    of samples nor on threads.
    """
    law = _Law(params)
    for first in range(0, params.num_samples, SEQUENCES_A_GROUP):
        rows = range(first, min(first + SEQUENCES_A_GROUP, params.num_samples))
        drawn = [law.draw(np.random.default_rng([params.seed, row])) for row in rows]
        ids = [f"random-{row:06}" for row in rows]
        lengths = np.array([len(nl) for nl, _ in drawn], dtype=np.int64)
        nl, lean = (np.concatenate(side) for side in zip(*drawn, strict=True))
        yield Tokens(ids, lengths, nl), Tokens(ids, lengths, lean)


class _Law:
    """The two distributions: their moments, and how a sequence is drawn."""

    def __init__(self, params: RandomPairsParams) -> None:
        self.params = params
        angles = 2 * np.pi * np.arange(params.hidden_dim) / params.hidden_dim
        self.nl_mean: Doubles = np.sin(angles)
        self.lean_mean: Doubles = np.cos(angles) + params.mean_shift
        self.lean_variance = params.lean_cov_scale
        if params.distribution_type == "affine":
            self.lean_variance = params.affine_scale**2 * params.nl_cov_scale + params.noise_scale**2
        if params.distribution_type == "coupled":
            self.lean_mean = self.nl_mean
            self.lean_variance = params.nl_cov_scale + params.noise_scale**2
        self.bias: Doubles = self.lean_mean - self.turned(self.nl_mean[None])[0]

    def turned(self, vectors: NDArray[np.floating]) -> Floats:
        """A x of each row: for affine turned and stretched, else x. [n, D] of any floats in, and the same out."""
        if self.params.distribution_type != "affine":
            return vectors
        scale, angle = self.params.affine_scale, self.params.rotation_angle
        cos, sin = (vectors.dtype.type(scale * of) for of in (np.cos(angle), np.sin(angle)))
        planes = vectors.shape[1] // 2 * 2
        left, right = vectors[:, 0:planes:2], vectors[:, 1:planes:2]
        turned = vectors * vectors.dtype.type(scale)
        turned[:, 0:planes:2] = cos * left - sin * right
        turned[:, 1:planes:2] = sin * left + cos * right
        return turned

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A sequence of each side, [length, D]."""
        params = self.params
        length = int(rng.integers(params.min_len, params.max_len, endpoint=True))

        def normal(mean: Doubles, variance: float) -> Floats:
            values = rng.standard_normal((length, params.hidden_dim), dtype=np.float32)
            values *= np.float32(np.sqrt(variance))
            values += mean.astype(np.float32)
            return values

        nl = normal(self.nl_mean, params.nl_cov_scale)
        if params.distribution_type == "separate":
            return nl, normal(self.lean_mean, self.lean_variance)
        return nl, self.turned(nl) + normal(self.bias, params.noise_scale**2)
