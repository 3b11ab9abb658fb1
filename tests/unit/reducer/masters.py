"""Reducers of which it is known how right they are."""

from collections.abc import Sequence

import lambda_gen_rs as lam
import numpy as np

from tasks.reducer.answers import Answer


class Oracle:
    """Always right, and sure of it."""

    def answers(self, terms: Sequence[str]) -> list[Answer]:
        return [Answer(step[0] if (step := lam.step(term)) else None, 1.0) for term in terms]


class Guesser:
    """Says normal form by a coin, else contracts any redex: half of the normal forms, and of another term with k
    redexes 1 / 2k, are right."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def answers(self, terms: Sequence[str]) -> list[Answer]:
        return [Answer(self._next(term), 0.5) for term in terms]

    def _next(self, term: str) -> str | None:
        if self.rng.random() < 0.5:
            return None
        made = lam.reducts(term)
        return made[self.rng.integers(len(made))] if made else ""


class Stubborn:
    """Never says normal form, and answers what it is given."""

    def answers(self, terms: Sequence[str]) -> list[Answer]:
        return [Answer(term, 0.9) for term in terms]
