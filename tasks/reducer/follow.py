"""Whole reductions: a reducer's own answers fed back until it says normal form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lambda_gen_rs as lam

from tasks.reducer.answers import Reducer, answered

LONGEST = 100_000
"""Characters of a term, beyond which one is given up: traces of corpora reach 20,000 nodes."""
SLACK = 2
"""Times the steps of the leftmost-outermost reduction, after which one is given up: another order may take more."""


@dataclass(frozen=True)
class Reduction:
    """reached: the last term.  said: that this is the normal form; else it was given up."""

    reached: str
    steps: int
    said: bool


def follow(
    reducer: Reducer,
    terms: Sequence[str],
    steps: Sequence[int],
    show: Callable[[float], None] = lambda share: None,
) -> list[Reduction]:
    """Reduce terms [n], of which the true reductions take so many `steps` [n].

    One is given up after `SLACK` times as many, and where an answer is no term or longer than `LONGEST`.
    """
    reached, taken, said = list(terms), [0] * len(terms), [False] * len(terms)
    going = list(range(len(terms)))
    while going:
        still = []
        for at, answer in zip(going, answered(reducer, [reached[at] for at in going]), strict=True):
            if answer.next_term is None:
                said[at] = True
            elif taken[at] < SLACK * steps[at] and _goes_on(answer.next_term):
                reached[at], taken[at] = answer.next_term, taken[at] + 1
                still.append(at)
        going = still
        show(1 - len(going) / len(terms))
    return [Reduction(*one) for one in zip(reached, taken, said, strict=True)]


def _goes_on(text: str) -> bool:
    if len(text) > LONGEST:
        return False
    try:
        lam.parse(text)
    except lam.LambdaError:
        return False
    return True
