"""Two reducers on the same terms."""

import numpy as np
import polars as pl
import pytest

from tasks.errors import InputError
from tasks.reducer.compare import compared, paired_difference


def frame(right: list[bool], terms: list[str] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"term": terms or [str(at) for at in range(len(right))], "right": right, "size": [30] * len(right)}
    )


def test_the_difference_is_of_pairs() -> None:
    a, b = [True, True, False, False, True], [True, False, True, True, True]
    overall, by_size = compared("step", frame(a), frame(b))
    assert (overall["by"], overall["bucket"], by_size["by"], by_size["bucket"]) == ("overall", "all", "size", "20-50")
    assert (overall["n"], overall["a"], overall["b"]) == (5, 0.6, 0.8)
    assert overall["difference"] == pytest.approx(0.2)
    assert overall["low"] < 0 < overall["high"]
    (reversed_, _) = compared("step", frame(b), frame(a))
    assert (reversed_["low"], reversed_["high"]) == pytest.approx((-overall["high"], -overall["low"]))


def test_order_does_not_count() -> None:
    a, b = frame([True, False, True], ["x", "y", "z"]), frame([False, True, True], ["z", "x", "y"])
    assert compared("step", a, b)[0]["difference"] == pytest.approx(0)


def test_a_term_that_comes_twice_is_counted_twice() -> None:
    a, b = frame([True, False, True], ["x", "x", "y"]), frame([True, True, False], ["y", "x", "x"])
    found = compared("step", a, b)[0]
    assert (found["n"], found["difference"]) == (3, pytest.approx(0))


def test_other_terms_are_refused() -> None:
    with pytest.raises(InputError, match=r"different terms \(2 and 2 for step, 1 in common\)"):
        compared("step", frame([True, True], ["a", "b"]), frame([True, True], ["a", "c"]))
    with pytest.raises(InputError, match="3 and 2"):
        compared("step", frame([True] * 3), frame([True] * 2))


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    shares = (0.6, 0.15, 0.05, 0.2)
    for n in (30, 300):
        drawn = rng.multinomial(n, shares, size=2000)
        intervals = [paired_difference(*row)[1:] for row in drawn]
        covered = np.mean([low <= 0.1 <= high for low, high in intervals])
        assert 0.93 < covered < 0.98


def test_equal_answers_leave_a_width() -> None:
    difference, low, high = paired_difference(50, 0, 0, 10)
    assert difference == 0
    assert low == -high < 0
