"""Candidates without a neural model: the nearest texts, then their words exchanged.

Edits are held by how likely a model of word pairs, counted on the training texts, finds the result.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tasks.tables import Floats
from tasks.text_map.params import GenerationParams
from tasks.text_map.place import nearest_documents
from tasks.text_map.search import Candidate

NEIGHBOURS = 16
PAIRS_SHARE = 0.6
"""Of a word's probability that comes from the word before it; the rest from its frequency."""
BEGIN, END = "\x02", "\x03"


class EditProposer:
    """texts: n of them.  emb: [n, D] their unit vectors."""

    def __init__(self, texts: Sequence[str], emb: Floats) -> None:
        self.texts, self.emb = list(texts), emb
        self.words, self.pairs = Counter[str](), Counter[tuple[str, str]]()
        for text in texts:
            said = [BEGIN, *text.lower().split(), END]
            self.words.update(said)
            self.pairs.update(pairwise(said))
        self.total = self.words.total()

    def first(self, emb: Floats, params: GenerationParams) -> list[list[Candidate]]:
        _, rows = nearest_documents(emb, self.emb, max(1, params.samples))
        return [[Candidate(self.texts[row]) for row in some] for some in rows]

    def next(
        self, emb: Floats, held: Sequence[Candidate], round_: int, params: GenerationParams
    ) -> list[list[Candidate]]:
        _, near = nearest_documents(emb, self.emb, NEIGHBOURS)
        rng = np.random.default_rng([params.seed, round_])
        made = []
        for one, rows in zip(held, near, strict=True):
            words = [word for row in rows for word in self.texts[row].split()]
            made.append([Candidate(edited(one.text, words, rng)) for _ in range(max(2, 2 * params.samples))])
        return made

    def likelihoods(self, emb: Floats, candidates: Sequence[Candidate]) -> Floats:
        return np.array([self._likelihood(one.text) for one in candidates], dtype=np.float32)

    def _likelihood(self, text: str) -> float:
        """Mean log-probability of a word; a word that is not known counts as one met half a time."""
        said = [BEGIN, *text.lower().split(), END]
        total = 0.0
        for before, word in pairwise(said):
            after = self.pairs[before, word] / self.words[before] if self.words[before] else 0.0
            total += math.log(PAIRS_SHARE * after + (1 - PAIRS_SHARE) * max(0.5, self.words[word]) / (self.total + 1))
        return total / (len(said) - 1)


def edited(text: str, words: Sequence[str], rng: np.random.Generator) -> str:
    """One or two words replaced, put in, or taken out; new ones are drawn from `words`."""
    made = text.split()
    for _ in range(int(rng.integers(1, 3))):
        at = int(rng.integers(0, len(made) + 1))
        kind = rng.integers(0, 4)
        if kind == 0 and len(made) > 1 and at < len(made):
            del made[at]
        elif kind == 1 or at == len(made):
            made.insert(at, words[int(rng.integers(len(words)))])
        else:
            made[at] = words[int(rng.integers(len(words)))]
    return " ".join(made)
