"""Accuracy by source beside a guess by length."""

import numpy as np
import polars as pl

from tasks.reward.accuracy import accuracy_by_source, longer_is_better

PAIRS = pl.DataFrame(
    {
        "source": ["a", "a", "b", "b"],
        "chosen": ["long answer", "xx", "longest", "same"],
        "rejected": ["short", "xxx", "short", "emas"],
    }
)


def test_accuracy_is_the_share_in_the_right_order_and_a_tie_is_half() -> None:
    rows = accuracy_by_source(PAIRS, np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 3.0, 3.0, 0.0]), True)
    assert rows == [
        {"source": "all", "pairs": 4, "accuracy": 0.625, "length_only": 0.625},
        {"source": "a", "pairs": 2, "accuracy": 0.5, "length_only": 0.5},
        {"source": "b", "pairs": 2, "accuracy": 0.75, "length_only": 0.75},
    ]


def test_length_learns_its_direction_from_training_pairs() -> None:
    assert longer_is_better(PAIRS)
    assert not longer_is_better(PAIRS.rename({"chosen": "rejected", "rejected": "chosen"}))
