"""Diversity measures against closed forms and laws."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.diversity.metrics import (
    adjusted_distinct,
    distinct,
    em_dashes,
    entropy,
    pass_at,
    self_bleu,
    spread,
    tokens,
    vocabulary_ratios,
)

answers = st.lists(st.text("ab \\.(0", max_size=8), min_size=2, max_size=5)


def test_tokens_are_words_digits_and_symbols() -> None:
    assert tokens(r"\.(\.10)0 is it — yes, 2nd") == [
        *["\\.", "(", "\\.", "1", "0", ")", "0", "is", "it", "—", "yes", ",", "2", "nd"]
    ]


@given(answers)
def test_no_measure_depends_on_the_order_of_answers(said: list[str]) -> None:
    for measure in (lambda a: distinct(a, 2), entropy, self_bleu, em_dashes):
        first, second = measure(said), measure(said[::-1])
        assert first == pytest.approx(second, nan_ok=True)


def test_entropy_is_that_of_the_frequencies() -> None:
    assert entropy(["x"] * 5) == 0
    assert entropy(list("abcd")) == pytest.approx(math.log(4))
    assert entropy(["a", "a", "a", "b"]) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert entropy([]) == 0


def test_distinct_counts_n_grams_over_all_answers() -> None:
    assert distinct(["a b a", "a b"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "a b"], 2) == pytest.approx(2 / 3)
    assert math.isnan(distinct(["", ""], 1))


def test_self_bleu_is_one_where_all_are_alike_and_small_where_none_is() -> None:
    assert self_bleu(["the cat sat on the mat"] * 3) == pytest.approx(1.0)
    assert self_bleu(["a b c d e", "f g h i j", "k l m n o"]) < 0.1


def test_spread_is_the_mean_cosine_distance_of_pairs() -> None:
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    slow = np.mean([1 - float(a @ b) for a, b in permutations(x, 2)])
    assert spread(x) == pytest.approx(slow, abs=1e-6)
    assert spread(x[[0, 0, 0]]) == pytest.approx(0, abs=1e-6)


def test_the_vocabulary_ratio_is_taken_over_runs_of_one_length() -> None:
    assert vocabulary_ratios(["a b a b", "c d e f", "left over"], 4) == [0.5, 1.0]
    assert vocabulary_ratios(["too short"], 4) == []


def test_em_dashes_are_counted_per_thousand_tokens() -> None:
    assert em_dashes(["a — b", "c d"]) == pytest.approx(1000 / 5)


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_pass_at_k_is_the_share_of_choices_of_k_with_a_right_one(right: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(right)))
    slow = np.mean([any(chosen) for chosen in combinations(right, k)])
    assert pass_at(k, len(right), sum(right)) == pytest.approx(slow)


def test_adjusted_distinct_is_1_for_tokens_drawn_at_random_whatever_the_length_and_distinct_is_not() -> None:
    rng = np.random.default_rng(0)
    short, long = ([" ".join(rng.choice(list("abcdefghijklmnopqrst"), n)) for _ in range(200)] for n in (5, 40))
    of = lambda measure, said: np.mean([measure([one]) for one in said])  # noqa: E731
    assert of(lambda a: adjusted_distinct(a, 20), short) == pytest.approx(1, abs=0.02)
    assert of(lambda a: adjusted_distinct(a, 20), long) == pytest.approx(1, abs=0.02)
    assert of(lambda a: distinct(a, 1), long) < 0.6 * of(lambda a: distinct(a, 1), short)
    assert adjusted_distinct(["a b"], 20) > 1
    assert math.isnan(adjusted_distinct(["", ""], 20))
