import random
from collections import Counter

import lambda_gen_rs as lam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pairs.sampler import count_terms, random_term

CLOSED_BY_NODES = [0, 1, 2, 4, 13, 42, 139, 506, 1915, 7558]  # from 1 node on


def all_terms(size: int, free: int) -> list[str]:
    """The slow twin: every term of so many nodes, spelled out."""
    if size == 1:
        return [str(index) for index in range(free)]
    made = ["\\." + body for body in all_terms(size - 1, free + 1)] if size > 1 else []
    for left in range(1, size - 1):
        for function in all_terms(left, free):
            for argument in all_terms(size - 1 - left, free):
                head = f"({function})" if function.startswith("\\") else function
                made.append(head + (argument if len(argument) == 1 else f"({argument})"))
    return made


@pytest.mark.parametrize("size", range(2, 8))
def test_counts_are_those_of_the_terms_spelled_out(size: int) -> None:
    counted = Counter(len(lam.redexes(term)) for term in all_terms(size, 0))
    assert {k: count_terms(size, 0, k) for k in range(4) if count_terms(size, 0, k)} == counted


def test_all_redexes_together_give_the_known_numbers_of_closed_terms() -> None:
    assert [sum(count_terms(size, 0, k) for k in range(size)) for size in range(1, 11)] == CLOSED_BY_NODES


@given(st.integers(2, 14), st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_drawn_term_is_what_was_asked_for(size: int, redexes: int, rng: random.Random) -> None:
    if not count_terms(size, 0, redexes):
        with pytest.raises(ValueError, match="no closed term"):
            random_term(rng, size, redexes)
        return
    term = random_term(rng, size, redexes)
    assert str(lam.parse(term)) == term
    assert (lam.is_closed(term), lam.size(term), len(lam.redexes(term))) == (True, size, redexes)


def test_every_term_is_equally_likely() -> None:
    terms = [term for term in all_terms(6, 0) if not lam.redexes(term)]
    drawn = Counter(random_term(rng, 6, 0) for rng in [random.Random(0)] for _ in range(200 * len(terms)))
    assert drawn.keys() == set(terms)
    chi_square = sum((count - 200) ** 2 / 200 for count in drawn.values())
    assert chi_square < 2 * len(terms)
