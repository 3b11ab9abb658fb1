"""Pairs of samples whose optimal map is known: what a solver is checked against."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from tasks.tables import Floats
from tasks.transport.gaussian import Doubles

HEADS, PULLS, TEMPERATURE, STRENGTH = 16, 4, 0.2, 3.0
CENTRES, WIDTH = 5, 0.6


@dataclass(frozen=True)
class KnownPair:
    """x, y: [n, D], independent samples of the two sides.  t_test: the optimal map of x_test.  variance: of y."""

    x: Floats
    y: Floats
    x_test: Floats
    t_test: Floats
    variance: float


def gaussian_pair(dim: int, n: int, seed: int, tests: int = 4096) -> KnownPair:
    """Two Gaussians with random covariances of condition 10; the map is A x + b, A their Bures map."""
    rng = np.random.default_rng(seed)
    roots = [_random_root(dim, rng) for _ in range(2)]
    shift = rng.standard_normal(dim)
    source, target = (root @ root.T for root in roots)
    values, vectors = np.linalg.eigh(source)
    half, inverse = (vectors * values**0.5) @ vectors.T, (vectors * values**-0.5) @ vectors.T
    values, vectors = np.linalg.eigh(half @ target @ half)
    matrix = inverse @ ((vectors * values**0.5) @ vectors.T) @ inverse

    def draw(count: int) -> Floats:
        return (rng.standard_normal((count, dim)) @ roots[0].T).astype(np.float32)

    return _pair(lambda x: x @ matrix.T + shift, draw, n, tests)


def log_sum_exp_pair(dim: int, n: int, seed: int, tests: int = 4096) -> KnownPair:
    """A Gaussian mixture x and T*(x) = A x + s/√H Σ_k W_kᵀ softmax((W_k x + b_k)/τ), A positive definite.

    That is the gradient of ½ xᵀAx + sτ/√H Σ_k logsumexp((W_k x + b_k)/τ), a convex function, so T* is optimal. Rows of
    W_k have unit length, s grows with √D: no linear map explains about a tenth of Var(y), whatever D is.
    """
    rng = np.random.default_rng(seed)
    root = _random_root(dim, rng)
    matrix = root @ root.T
    centres = rng.standard_normal((CENTRES, dim))
    pulls = rng.standard_normal((HEADS, PULLS, dim))
    pulls /= np.linalg.norm(pulls, axis=2, keepdims=True)
    biases = 0.3 * rng.standard_normal((HEADS, PULLS))

    def move(x: Floats) -> Doubles:
        moved = x @ matrix
        for pull, bias in zip(pulls, biases, strict=True):
            moved += STRENGTH * (dim / HEADS) ** 0.5 * softmax((x @ pull.T + bias) / TEMPERATURE, axis=1) @ pull
        return moved

    def draw(count: int) -> Floats:
        noise = WIDTH * rng.standard_normal((count, dim))
        return (centres[rng.integers(CENTRES, size=count)] + noise).astype(np.float32)

    return _pair(move, draw, n, tests)


def _random_root(dim: int, rng: np.random.Generator) -> Doubles:
    """R with R Rᵀ of eigenvalues from 0.2 to 2, turned at random."""
    turn, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    return turn * np.linspace(0.2, 2.0, dim) ** 0.5


def _pair(move: Callable[[Floats], Doubles], draw: Callable[[int], Floats], n: int, tests: int) -> KnownPair:
    x, x_test = draw(n), draw(tests)
    y, t_test, many = (move(points).astype(np.float32) for points in (draw(n), x_test, draw(2**15)))
    return KnownPair(x, y, x_test, t_test, float(many.var(axis=0, dtype=np.float64).sum()))
