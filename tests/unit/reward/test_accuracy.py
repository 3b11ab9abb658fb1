"""Accuracy by source beside a guess by length."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.reward.accuracy import accuracy_by_source, longer_is_better, wilson_interval

PAIRS = pl.DataFrame(
    {
        "source": ["a", "a", "b", "b"],
        "chosen": ["long answer", "xx", "longest", "same"],
        "rejected": ["short", "xxx", "short", "emas"],
    }
)


def test_accuracy_is_the_share_in_the_right_order_and_a_tie_is_half() -> None:
    rows = accuracy_by_source(PAIRS, np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 3.0, 3.0, 0.0]), True)
    intervals = [(row.pop("low"), row.pop("high")) for row in rows]
    assert rows == [
        {"source": "all", "pairs": 4, "accuracy": 0.625, "length_only": 0.625},
        {"source": "a", "pairs": 2, "accuracy": 0.5, "length_only": 0.5},
        {"source": "b", "pairs": 2, "accuracy": 0.75, "length_only": 0.75},
    ]
    assert intervals == [wilson_interval(0.625, 4), wilson_interval(0.5, 2), wilson_interval(0.75, 2)]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(10, 10, 0.722, 1.0), (81, 263, 0.255, 0.366), (0, 5, 0, 0.434)]
)
def test_the_interval_is_wilsons(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right / n, n) == pytest.approx((low, high), abs=5e-4)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_holds_the_share_and_is_a_mirror_image(n: int, share: float) -> None:
    low, high = wilson_interval(share, n)
    assert -1e-9 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1 + 1e-9
    assert wilson_interval(1 - share, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_length_learns_its_direction_from_training_pairs() -> None:
    assert longer_is_better(PAIRS)
    assert not longer_is_better(PAIRS.rename({"chosen": "rejected", "rejected": "chosen"}))
