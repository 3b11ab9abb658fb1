"""Intervals and tests over seeds and prompts hold what they promise."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from tasks.diversity.intervals import Resampling, equivalence, holm, paired, sign_flip

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 99))
def test_an_interval_holds_its_mean(seeds: int, prompts: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(seeds, prompts))
    e = Resampling.draw(seeds, prompts, 200, seed).mean(x)
    assert e.low <= e.mean + 1e-9
    assert e.mean <= e.high + 1e-9
    assert e.mean == pytest.approx(x.mean())
    assert e.n == prompts
    if seeds == 1:
        assert x.min() - 1e-9 <= e.low <= e.high <= x.max() + 1e-9


@pytest.mark.parametrize("between", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seeds", [2, 4, 6, 8, 12])
def test_intervals_cover_the_truth_as_often_as_they_say(seeds: int, between: float) -> None:
    """Values that vary by prompt, by seed, and by both; differences of arms vary by prompt little."""
    rng = np.random.default_rng(0)
    resampling = Resampling.draw(seeds, 60, 400, 0)
    covered = 0
    for _ in range(300):
        by_seed, by_prompt = between * rng.normal(size=(seeds, 1)), rng.normal(size=(1, 60))
        e = resampling.mean(by_seed + by_prompt + rng.normal(size=(seeds, 60)))
        covered += e.low <= 0 <= e.high
    assert covered / 300 >= 0.92


def test_the_interval_of_one_seed_is_that_of_its_prompts() -> None:
    rng = np.random.default_rng(0)
    resampling = Resampling.draw(1, 60, 400, 0)
    covered = np.mean([e.low <= 0 <= e.high for e in (resampling.mean(rng.normal(size=(1, 60))) for _ in range(300))])
    assert 0.9 <= covered <= 0.98


def test_seeds_are_resampled_too() -> None:
    """Prompts that all agree and seeds that do not: an interval over prompts alone would have no width."""
    x = np.repeat(np.arange(8.0)[:, None], 50, axis=1)
    e = Resampling.draw(8, 50, 2000, 0).mean(x)
    assert e.high - e.low > 2


def test_undefined_values_are_left_out_and_counted() -> None:
    resampling = Resampling.draw(2, 3, 200, 0)
    e = resampling.mean(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 3.0]]))
    assert (e.mean, e.n) == (pytest.approx(7 / 3), 2)
    assert resampling.mean(np.ones((2, 3)), np.array([True, False, False])).n == 1
    empty = resampling.mean(np.full((2, 3), np.nan))
    assert empty.n == 0
    assert empty.json() == {"mean": None, "low": None, "high": None, "n": 0}


@given(st.lists(numbers, min_size=2, max_size=7))
def test_sign_flips_are_scipys_permutation_test(values: list[float]) -> None:
    twin = permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided")
    d = np.array(values)
    flips = [abs(np.mean(d * signs)) for signs in product((1, -1), repeat=len(d))]
    assert sign_flip(d) == np.mean([flip >= abs(d.mean()) - 1e-12 for flip in flips])
    assert sign_flip(d) <= twin.pvalue + 1e-9


def test_the_least_p_is_that_of_the_number_of_seeds() -> None:
    assert sign_flip(np.array([1.0, 2, 1, 3, 1])) == 2 / 32
    assert sign_flip(np.array([1.0, 2, 1, 3, 1, 2])) == 2 / 64
    assert sign_flip(np.ones(20)) < 1e-4
    assert np.isnan(sign_flip(np.array([])))


def test_sign_flips_reject_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    rejected = np.mean([sign_flip(rng.normal(size=8)) <= 0.05 for _ in range(1000)])
    assert 0.02 <= rejected <= 0.07


def test_equivalence_needs_differences_that_lie_well_within_delta() -> None:
    near = np.array([0.01, -0.02, 0.0, 0.015, -0.01, 0.02])
    assert equivalence(near, 0.2) == 1 / 64
    assert equivalence(near + 0.3, 0.2) > 0.9
    assert equivalence(near - 0.3, 0.2) > 0.9
    assert equivalence(20 * near, 0.2) > 0.05
    assert np.isnan(equivalence(near, np.nan))


def test_equivalence_at_the_margin_is_claimed_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    claimed = np.mean([equivalence(0.2 + 0.05 * rng.normal(size=8), 0.2) <= 0.05 for _ in range(1000)])
    assert 0.02 <= claimed <= 0.07


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_step_down_procedure(values: list[float]) -> None:
    p = {str(at): value for at, value in enumerate(values)}
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.2):
        rejected, order = set(), sorted(p, key=lambda name: p[name])
        for rank, name in enumerate(order):
            if p[name] * (len(p) - rank) > level:
                break
            rejected.add(name)
        assert {name for name in p if adjusted[name] <= level} == rejected


def test_a_pair_is_the_difference_by_seed_and_prompt() -> None:
    one, other = np.array([[1.0, 2], [3, np.nan]]), np.array([[0.0, 0], [1, 5]])
    told = paired(one, other, 0.5, Resampling.draw(2, 2, 200, 0))
    assert told["by_seed"] == [1.5, 2.0]
    assert told["difference"] == pytest.approx(5 / 3)
    assert told["equivalence"] == {"delta": 0.5, "p": 1.0, "holds": False}
