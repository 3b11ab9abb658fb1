"""Bootstrap intervals hold what they promise."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.diversity.intervals import bootstrap_mean


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.integers(0, 9))
def test_an_interval_holds_its_mean_and_lies_within_the_values(values: list[float], seed: int) -> None:
    x = np.array(values)
    e = bootstrap_mean(x, 200, seed)
    assert x.min() - 1e-9 <= e.low <= e.high <= x.max() + 1e-9
    assert e.n == len(values)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    drawn = (bootstrap_mean(rng.normal(size=60), 400, seed) for seed in range(300))
    covered = np.mean([e.low <= 0 <= e.high for e in drawn])
    assert 0.90 <= covered <= 0.98


def test_undefined_values_are_left_out_and_counted() -> None:
    e = bootstrap_mean(np.array([1.0, np.nan, 3.0]), 200, 0)
    assert (e.mean, e.n) == (2.0, 2)
    empty = bootstrap_mean(np.array([np.nan]), 200, 0)
    assert empty.n == 0
    assert empty.json() == {"mean": None, "low": None, "high": None, "n": 0}
