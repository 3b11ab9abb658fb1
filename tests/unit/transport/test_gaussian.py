"""Moments, the Bures map and balanced coordinates, against closed forms, scikit-learn and POT."""

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.covariance import LedoitWolf

from tasks.errors import InputError
from tasks.transport.gaussian import Balance, Doubles, Moments, moments
from tasks.transport.maps import BalancedMap
from tasks.transport.measures import uvp
from tests.references.known_maps import gaussian_pair


def random_moments(dim: int, seed: int) -> Moments:
    """Covariances of condition 1,000 at most."""
    rng = np.random.default_rng(seed)
    values = 10.0 ** rng.uniform(-1.5, 1.5, dim)
    turn = ortho_group.rvs(dim, random_state=rng) if dim > 1 else np.eye(1)
    return Moments(rng.standard_normal(dim), (turn * values) @ turn.T)


def bures_map(balance: Balance) -> Doubles:
    """A = MᵀM; the product of both sides' matrices is c²."""
    return balance.to_source.T @ balance.to_source / (balance.to_source.T @ balance.to_target)[0, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**20))
def test_the_bures_map_is_positive_definite_and_takes_one_covariance_to_the_other(dim: int, seed: int) -> None:
    one, other = random_moments(dim, seed), random_moments(dim, seed + 1)
    made = bures_map(Balance.of(one, other))
    np.testing.assert_allclose(made, made.T)
    assert np.linalg.eigvalsh(made).min() > 0
    np.testing.assert_allclose(made @ one.cov @ made, other.cov, rtol=1e-6, atol=1e-8 * np.trace(other.cov))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**20))
def test_balancing_keeps_inner_products_and_makes_covariances_equal_and_diagonal(dim: int, seed: int) -> None:
    one, other = random_moments(dim, seed), random_moments(dim, seed + 1)
    balance = Balance.of(one, other)
    left, right = (matrix @ of.cov @ matrix.T for matrix, of in ((balance.to_source, one), (balance.to_target, other)))
    np.testing.assert_allclose(left, right, atol=1e-6 * dim)
    np.testing.assert_allclose(left, np.diag(np.diag(left)), atol=1e-6 * dim)
    assert np.trace(left) / dim == pytest.approx(1)
    assert (np.diff(np.diag(left)) <= 1e-6).all()
    square = balance.to_source.T @ balance.to_target  # c² of ⟨u, v⟩ = c² ⟨x, y⟩
    np.testing.assert_allclose(square, square[0, 0] * np.eye(dim), atol=1e-6 * square[0, 0])


def test_what_is_balanced_comes_back_and_ranks_are_the_first_coordinates() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((500, 7)) @ rng.standard_normal((7, 7)) + 3 for _ in range(2))
    balance = Balance.of(moments(x), moments(y))
    np.testing.assert_allclose(balance.back(balance.target(y)), y, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(balance.source(x, 3), balance.source(x)[:, :3])


def test_the_map_of_two_gaussians_is_found_and_is_pots() -> None:
    for dim, most in ((16, 0.2), (64, 1.0)):
        pair = gaussian_pair(dim, 10_000, 0)
        moved = BalancedMap(Balance.of(moments(pair.x), moments(pair.y)))(pair.x_test)
        assert uvp(moved, pair.t_test, pair.variance) <= most
        if dim == 16:  # at 64 shrinkage, which POT has not, makes a difference of 1.2 %
            theirs = ot.da.LinearTransport(reg=1e-8).fit(Xs=pair.x.astype(float), Xt=pair.y.astype(float))
            there = theirs.transform(pair.x_test.astype(float))
            assert np.linalg.norm(moved - there) <= 1e-2 * np.linalg.norm(there)


def test_the_bures_map_of_given_moments_is_pots() -> None:
    one, other = random_moments(20, 5), random_moments(20, 6)
    theirs, _ = ot.gaussian.bures_wasserstein_mapping(one.mean, other.mean, one.cov, other.cov)
    np.testing.assert_allclose(bures_map(Balance.of(one, other)), theirs, rtol=1e-5, atol=1e-6)


def test_a_direction_that_dwarfs_the_others_does_not_drown_them() -> None:
    turn = ortho_group.rvs(5, random_state=0)
    cov = (turn * [1e4, 1.0, 1e-2, 1e-4, 1e-4]) @ turn.T  # an outlier direction, as hidden states have
    made = bures_map(Balance.of(Moments(np.zeros(5), cov), Moments(np.zeros(5), 4 * cov)))
    np.testing.assert_allclose(made, 2 * np.eye(5), atol=1e-6)


@pytest.mark.parametrize(("n", "dim"), [(30, 50), (200, 20), (20_000, 5)])
def test_shrinkage_is_ledoit_and_wolfs(n: int, dim: int) -> None:
    x = np.random.default_rng(1).standard_normal((n, dim)) * np.linspace(0.5, 2, dim) + 1
    made = moments(x.astype(np.float32))
    std = x.std(axis=0)
    theirs = LedoitWolf().fit(x / std).covariance_ * np.outer(std, std)
    np.testing.assert_allclose(made.cov, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.mean, x.mean(axis=0), rtol=1e-5)


def test_a_coordinate_that_varies_a_thousand_times_as_much_leaves_the_others_their_variance() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((20_000, 64)) * [1000, *[scale] * 63] for scale in (1, 2))
    moved = BalancedMap(Balance.of(moments(x.astype(np.float32)), moments(y.astype(np.float32))))(x.astype(np.float32))
    assert uvp(moved[:, 1:], 2 * x[:, 1:], 63 * 4) <= 0.5


def test_directions_without_variance_do_no_harm() -> None:
    x = np.random.default_rng(2).standard_normal((20_000, 3)).astype(np.float32)
    x[:, 2] = 1.0
    moved = BalancedMap(Balance.of(moments(x), moments(2 * x)))(x)
    np.testing.assert_allclose(moved[:, :2], 2 * x[:, :2], atol=0.1)
    np.testing.assert_allclose(moved[:, 2], 2.0, atol=1e-3)


def test_vectors_without_a_covariance_are_refused() -> None:
    with pytest.raises(InputError, match=r"1 vectors have no covariance"):
        moments(np.ones((1, 3), dtype=np.float32))
    with pytest.raises(InputError, match=r"alike"):
        moments(np.ones((5, 3), dtype=np.float32))
