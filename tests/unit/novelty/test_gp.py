"""The closed form against networks that were drawn, and its own laws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.novelty.gp import DEPTH, NOISE, GaussianProcess
from tasks.novelty.gp import kernel as kernel_of_tensors
from tasks.novelty.rnd import Stacked

RNG = np.random.default_rng(0)
KNOWN = RNG.normal(size=(80, 5)).astype(np.float32)


def kernel(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return kernel_of_tensors(torch.from_numpy(x), torch.from_numpy(z)).numpy()


def variance(x: np.ndarray) -> np.ndarray:
    return np.square(x).sum(axis=1)


def test_the_kernel_is_the_covariance_of_random_networks() -> None:
    x = RNG.normal(size=(4, 5)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    network = Stacked((5, *[256] * DEPTH, 64), range(200), 0)
    with torch.no_grad():
        said = network(torch.from_numpy(x).expand(200, -1, -1)).double().numpy()
    first = 2 / 5  # He's variance of the first layer, whose inputs no ReLU halves
    drawn = np.einsum("eio,ejo->ij", said, said) / (200 * 64) / first
    assert kernel(x.astype(float), x.astype(float)) == pytest.approx(drawn, abs=0.06)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_the_kernel_is_positive_and_scales_with_its_inputs(seed: int, scale: float) -> None:
    x = np.random.default_rng(seed).normal(size=(12, 3))
    own = kernel(x, x)
    assert np.diag(own) == pytest.approx(variance(x), rel=1e-5)
    assert np.linalg.eigvalsh(own).min() > -1e-5 * own.max()
    assert kernel(scale * x, scale * x) == pytest.approx(scale**2 * own, rel=1e-4, abs=1e-5 * scale**2 * own.max())


def test_variance_is_small_where_something_is_known_and_the_prior_far_away() -> None:
    fitted = GaussianProcess.fit(KNOWN)
    prior = variance(KNOWN.astype(float))
    assert (fitted.variance(KNOWN) < 2 * NOISE * prior.mean()).all()
    few = GaussianProcess.fit(KNOWN[:1])
    across = np.float32([[-KNOWN[0, 1], KNOWN[0, 0], 0, 0, 0]])
    assert few.variance(across)[0] > 0.5 * variance(across.astype(float))[0]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 79))
def test_more_that_is_known_never_makes_a_row_more_novel(count: int) -> None:
    asked = RNG.normal(size=(10, 5)).astype(np.float32)
    few, more = KNOWN[:count], KNOWN[: count + 1]
    noise = GaussianProcess.fit(few).noise
    direct = [
        variance(asked.astype(float)) - _explained(known.astype(float), asked.astype(float), noise)
        for known in (few, more)
    ]
    assert (direct[1] <= direct[0] + 1e-5).all()
    assert GaussianProcess.fit(few).variance(asked) == pytest.approx(np.maximum(direct[0], 0), abs=1e-5)


def _explained(known: np.ndarray, asked: np.ndarray, noise: float) -> np.ndarray:
    """k(z, X) (K + σ² I)⁻¹ k(X, z), as the formula is written."""
    inverse = np.linalg.inv(kernel(known, known) + noise * np.eye(len(known)))
    return np.einsum("ij,jk,ik->i", kernel(asked, known), inverse, kernel(asked, known))


def test_landmarks_stand_for_many_rows() -> None:
    many = RNG.normal(size=(600, 3)).astype(np.float32)
    asked = np.r_[many[:50], many[:50] * 3]
    whole = GaussianProcess.fit(many).variance(asked)
    some = GaussianProcess.fit(many, landmarks=500).variance(asked)
    assert some == pytest.approx(whole, rel=0.2)
    assert np.corrcoef(np.argsort(np.argsort(some)), np.argsort(np.argsort(whole)))[0, 1] > 0.98
