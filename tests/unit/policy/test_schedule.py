"""The schedule draws each prompt within one of its expectation, whatever the seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.policy.schedule import expected_counts, systematic_schedule

weights = st.lists(st.floats(0.0, 100.0), min_size=1, max_size=50).filter(lambda w: sum(w) > 1e-3).map(np.array)


@given(weights, st.integers(1, 300), st.integers(0, 2**31))
def test_each_prompt_is_drawn_within_one_of_its_expectation(w: np.ndarray, draws: int, seed: int) -> None:
    schedule = systematic_schedule(w, draws, seed)
    counts = np.bincount(schedule, minlength=len(w))
    assert counts.sum() == draws
    assert (np.abs(counts - expected_counts(w, draws)) < 1 + 1e-6).all()


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 100))
def test_equal_weights_give_whole_epochs(prompts: int, epochs: int, seed: int) -> None:
    counts = np.bincount(systematic_schedule(np.ones(prompts), prompts * epochs, seed))
    assert (counts == epochs).all()


def test_the_order_is_mixed_and_repeats_by_seed() -> None:
    a, b, c = (systematic_schedule(np.ones(1000), 1000, seed) for seed in (0, 0, 1))
    assert (a == b).all()
    assert (a != c).any()
    assert abs(np.corrcoef(a, np.arange(1000))[0, 1]) < 0.1


def test_inclusion_over_many_seeds_follows_the_weights() -> None:
    w = np.array([1.0, 2.0, 3.0, 4.0])
    counts = sum(np.bincount(systematic_schedule(w, 5, seed), minlength=4) for seed in range(2000))
    chi_square = ((counts - 10_000 * w / 10) ** 2 / (10_000 * w / 10)).sum()
    assert chi_square < 16.3  # χ² with 3 degrees of freedom, p = 0.001


@pytest.mark.parametrize("bad", [[], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf]])
def test_weights_that_are_no_weights_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="finite weights"):
        systematic_schedule(np.array(bad), 3, 0)
