"""A text for an embedding: first guesses, then rounds that look for something nearer.

A candidate's place among others is its score: cosine to the target, plus a little of how likely the model finds it,
less what it repeats. By cosine alone a salad of keywords wins. A round's best replaces what is held where it is nearer
and its score no lower, so distance never rises.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tasks.tables import Floats
from tasks.text_map.params import GenerationParams

LIKELIHOOD = 0.04
"""Of the mean log-probability of a token, in units of cosine."""
FAR = 1e3
REPETITION = 0.3
"""Of the share of words that are there before."""
Embed = Callable[[list[str]], Floats]
"""Texts to unit vectors [n, D]."""


@dataclass(frozen=True)
class Candidate:
    text: str
    ids: tuple[int, ...] = ()
    """The tokens that were written, where a model did: the text's own may be others."""


class Proposer(Protocol):
    """What writes candidates."""

    def first(self, emb: Floats, params: GenerationParams) -> list[list[Candidate]]:
        """Guesses for each of [n, D] targets."""

    def next(
        self, emb: Floats, held: Sequence[Candidate], round_: int, params: GenerationParams
    ) -> list[list[Candidate]]:
        """Further ones, in a round from 1 on, where `held` are the best so far."""

    def likelihoods(self, emb: Floats, candidates: Sequence[Candidate]) -> Floats:
        """Mean log-probability of a token of each of [n] candidates for each of [n, D] targets."""


@dataclass(frozen=True)
class Round:
    """What is held after a round, for each target."""

    number: int
    texts: list[str]
    cosines: Floats
    """[n]."""


def search(emb: Floats, proposer: Proposer, embed: Embed, params: GenerationParams) -> Iterator[Round]:
    """Rounds of texts for [n, D] unit vectors; a target whose text is near enough is left alone.

    Ends after `max_correction_iterations` rounds beyond the first, or when all are near enough.
    """
    least = np.full(len(emb), -2, dtype=np.float32)
    held, cosine, score = _best(emb, proposer.first(emb, params), proposer, embed, least)
    yield Round(0, [one.text for one in held], cosine.copy())
    for number in range(1, params.max_correction_iterations + 1):
        open_ones = np.flatnonzero(1 - cosine > params.embedding_tolerance)
        if not len(open_ones):
            return
        proposed = proposer.next(emb[open_ones], [held[row] for row in open_ones], number, params)
        found, nearer, better = _best(emb[open_ones], proposed, proposer, embed, cosine[open_ones])
        for at, row in enumerate(open_ones):
            if nearer[at] > cosine[row] and better[at] >= score[row]:
                held[row], cosine[row], score[row] = found[at], nearer[at], better[at]
        yield Round(number, [one.text for one in held], cosine.copy())


def _best(
    emb: Floats, candidates: Sequence[Sequence[Candidate]], proposer: Proposer, embed: Embed, least: Floats
) -> tuple[list[Candidate], Floats, Floats]:
    """For each target, of the candidates nearer than `least` [n] (of all, where none is) that of the highest score.

    With its cosine and score.
    """
    of = np.repeat(np.arange(len(emb)), [len(some) for some in candidates])
    every = [one for some in candidates for one in some]
    cosine = np.einsum("nd,nd->n", _embedded([one.text for one in every], embed), emb[of])
    likely = proposer.likelihoods(emb[of], every)
    score = cosine + LIKELIHOOD * likely - REPETITION * np.array([repetition(one.text) for one in every])
    preferred = np.where(cosine > least[of], score, score - FAR)
    best = [int(rows[np.argmax(preferred[rows])]) for rows in (np.flatnonzero(of == row) for row in range(len(emb)))]
    return [every[row] for row in best], cosine[best], score[best]


def repetition(text: str) -> float:
    """Share of words that are there before; 0 for no word."""
    words = text.lower().split()
    return 1 - len(set(words)) / len(words) if words else 0.0


def _embedded(texts: list[str], embed: Embed) -> Floats:
    """Each different text once; an empty one is encoded as a full stop."""
    distinct = list(dict.fromkeys(text or "." for text in texts))
    row = {text: at for at, text in enumerate(distinct)}
    return embed(distinct)[[row[text or "."] for text in texts]]
