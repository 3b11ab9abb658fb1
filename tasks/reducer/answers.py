"""What a reducer answers to a term, and what is wrong with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import lambda_gen_rs as lam
import numpy as np

from tasks.batches import alike_length_batches

Show = Callable[[float], None]
NO_TERM = ""
"""The answer of one whose span is no redex of the term: there is nothing to contract."""
AT_ONCE = 32_000
"""Characters, padding included, of terms that are answered together."""
ERRORS = (
    "stopped_early",
    "missed_normal_form",
    "wrong_redex",
    "wrong_index",
    "lost_copy",
    "not_a_term",
    "other",
)


@dataclass(frozen=True)
class Answer:
    """next_term: None says that the term is in normal form.  confidence: in it, 0 to 1."""

    next_term: str | None
    confidence: float


class Reducer(Protocol):
    """Anything that reduces by one step; terms are well-formed and closed, and few enough to be in memory together."""

    def answers(self, terms: Sequence[str]) -> list[Answer]: ...


def answered(reducer: Reducer, terms: Sequence[str], show: Show = lambda share: None) -> list[Answer]:
    """One step of each term, however many there are; those of alike lengths are answered together."""
    found = [Answer(None, 0.0)] * len(terms)
    done = 0
    for some in alike_length_batches(np.array([len(term) for term in terms]), AT_ONCE):
        for at, answer in zip(some, reducer.answers([terms[at] for at in some]), strict=True):
            found[at] = answer
        done += len(some)
        show(done / len(terms))
    return found


def error_of(term: str, next_term: str | None) -> str | None:
    """Which of `ERRORS` an answer is; None where it is right.

    stopped_early        says normal form while a redex is left
    missed_normal_form   gives a next term of a normal form
    not_a_term           what it gives is no term of the notation, or nothing
    others               see `lambda_gen_rs.mistake`
    """
    is_normal = not lam.redexes(term)
    if next_term is None or is_normal:
        return None if next_term is None and is_normal else "missed_normal_form" if is_normal else "stopped_early"
    try:
        return lam.mistake(term, next_term)
    except lam.LambdaError:
        return "not_a_term"
