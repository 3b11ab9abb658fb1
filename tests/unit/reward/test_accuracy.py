"""Accuracy by source beside a guess by length."""

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.proportions import sign_test, wilson_interval
from tasks.reward.accuracy import accuracy_by_length, accuracy_by_source, longer_is_better
from tasks.tables import WRITERS

PAIRS = pl.DataFrame(
    {
        "source": ["a", "a", "b", "b"],
        "chosen": ["long answer", "xx", "longest", "same"],
        "rejected": ["short", "xxx", "short", "emas"],
        "model_chosen": None,
        "model_rejected": None,
    },
    schema_overrides=WRITERS,
)


def test_accuracy_is_the_share_in_the_right_order_and_a_tie_is_half() -> None:
    rows = accuracy_by_source(PAIRS, np.array([1.0, -1.0, 0.0, 4.0]), PAIRS)
    other = {"length_p": 1.0, "writer_only": None, "writer_p": None}
    intervals = [(row.pop("low"), row.pop("high")) for row in rows]
    assert rows == [
        {"source": "all", "pairs": 4, "accuracy": 0.625, "length_only": 0.625} | other,
        {"source": "a", "pairs": 2, "accuracy": 0.5, "length_only": 0.5} | other,
        {"source": "b", "pairs": 2, "accuracy": 0.75, "length_only": 0.75} | other,
    ]
    assert intervals == [wilson_interval(0.625, 4), wilson_interval(0.5, 2), wilson_interval(0.75, 2)]


def pairs(*written: tuple[str | None, str | None], longer: Sequence[int] = ()) -> pl.DataFrame:
    """A pair for each two writers, the chosen answer by so many characters longer (default: as long)."""
    more = [*longer, *[0] * (len(written) - len(longer))]
    return pl.DataFrame(
        {
            "source": "s",
            "chosen": ["x" * (50 + by) for by in more],
            "rejected": "y" * 50,
            "model_chosen": [chosen for chosen, _ in written],
            "model_rejected": [rejected for _, rejected in written],
        },
        schema_overrides=WRITERS,
    )


def test_who_wrote_an_answer_is_a_guess_that_learns_from_training_pairs() -> None:
    learnt = pairs(("good", "bad"), ("good", "middling"), ("middling", "bad"), (None, "bad"))
    asked = pairs(("good", "bad"), ("bad", "good"), ("middling", "bad"), ("new", "good"), (None, "bad"))
    [whole, _] = accuracy_by_source(asked, np.zeros(5), learnt)
    assert whole["writer_only"] == (1 + 0 + 1 + 0.5 + 0.5) / 5


def test_a_model_that_goes_by_length_is_right_only_where_the_longer_one_was_chosen() -> None:
    longer = np.random.default_rng(0).integers(-40, 41, 200)
    asked = pairs(*[(None, None)] * 200, longer=longer.tolist())
    rows = accuracy_by_length(asked, longer.astype(float))
    assert sum(row["pairs"] for row in rows) == 200
    assert [row["accuracy"] for row in (rows[0], rows[1], rows[3], rows[4])] == [0, 0, 1, 1]
    edges = [int(end) for row in rows for end in row["longer_by"].split(" … ")]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == (longer.min(), longer.max())


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_pairs_of_one_difference_of_length_stay_together(longer: list[int]) -> None:
    rows = accuracy_by_length(pairs(*[(None, None)] * len(longer), longer=longer), np.zeros(len(longer)))
    ends = [tuple(map(int, row["longer_by"].split(" … "))) for row in rows]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))
    assert sum(row["pairs"] for row in rows) == len(longer)
    assert {row["accuracy"] for row in rows} == {0.5}


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(10, 10, 0.722, 1.0), (81, 263, 0.255, 0.366), (0, 5, 0, 0.434)]
)
def test_the_interval_is_wilsons(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right / n, n) == pytest.approx((low, high), abs=5e-4)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_holds_the_share_and_is_a_mirror_image(n: int, share: float) -> None:
    low, high = wilson_interval(share, n)
    assert 0 <= low <= share <= high <= 1
    assert wilson_interval(1 - share, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_length_learns_its_direction_from_training_pairs() -> None:
    assert longer_is_better(PAIRS)
    assert not longer_is_better(PAIRS.rename({"chosen": "rejected", "rejected": "chosen"}))


def test_a_model_beats_a_guess_only_where_more_pairs_than_chance_would_give_say_so() -> None:
    one, other = np.array([1.0] * 9 + [0.0] + [1.0] * 90), np.array([0.0] * 9 + [1.0] + [1.0] * 90)
    assert sign_test(one, other) == sign_test(other, one) == pytest.approx(2 * 11 / 2**10)
    assert sign_test(one, one) == 1.0
    asked = pairs(*[("a", "b")] * 40, longer=[1, -1] * 20)
    learnt = pairs(*[("a", "b")] * 4, longer=[1] * 4)
    [whole, _] = accuracy_by_source(asked, np.ones(40), learnt)
    assert (whole["accuracy"], whole["length_only"], whole["writer_only"]) == (1.0, 0.5, 1.0)
    assert whole["length_p"] == pytest.approx(2 / 2**20)
    assert whole["writer_p"] == 1.0
