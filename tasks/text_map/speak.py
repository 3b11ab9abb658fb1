"""Candidates by a trained writer: beams and samples first, then samples anew and from within what is held."""

from collections.abc import Sequence

import numpy as np

from tasks.tables import Floats
from tasks.text_map.params import GenerationParams
from tasks.text_map.search import Candidate
from tasks.text_map.writer import Speaker


class SpokenProposer:
    """Rounds by re-sampling. Half of a round's texts keep the beginning of what is held, cut at random, so that good
    beginnings are gone on with by the model itself: nothing is exchanged that it would not say."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker

    def first(self, emb: Floats, params: GenerationParams) -> list[list[Candidate]]:
        sampled = self._sampled(emb, [[]] * len(emb), params.samples, 0, params)
        if params.num_beams < 2 and params.samples:
            return sampled
        return [
            [*map(self._candidate, beams), *samples]
            for beams, samples in zip(
                self.speaker.beams(emb, params.num_beams, params.max_length), sampled, strict=True
            )
        ]

    def next(
        self, emb: Floats, held: Sequence[Candidate], round_: int, params: GenerationParams
    ) -> list[list[Candidate]]:
        rng = np.random.default_rng([params.seed, round_])
        count = max(2, params.samples)
        begun = [
            [list(one.ids[: rng.integers(0, max(1, len(one.ids)))]) if number % 2 else [] for number in range(count)]
            for one in held
        ]
        flat = [one for some in begun for one in some]
        made = self._drawn(np.repeat(emb, count, axis=0), flat, round_, params)
        return [made[row * count : (row + 1) * count] for row in range(len(emb))]

    def likelihoods(self, emb: Floats, candidates: Sequence[Candidate]) -> Floats:
        return self.speaker.likelihoods(emb, [one.ids for one in candidates])

    def _sampled(
        self, emb: Floats, begun: Sequence[Sequence[int]], count: int, round_: int, params: GenerationParams
    ) -> list[list[Candidate]]:
        flat = [one for one in begun for _ in range(count)]
        made = self._drawn(np.repeat(emb, count, axis=0), flat, round_, params)
        return [made[row * count : (row + 1) * count] for row in range(len(emb))]

    def _drawn(
        self, emb: Floats, begun: Sequence[Sequence[int]], round_: int, params: GenerationParams
    ) -> list[Candidate]:
        made = self.speaker.sampled(
            emb,
            begun,
            temperature=params.temperature,
            top_k=params.top_k,
            seed=params.seed * 101 + round_,
            max_length=params.max_length,
        )
        return [self._candidate(ids) for ids in made]

    def _candidate(self, ids: Sequence[int]) -> Candidate:
        return Candidate(self.speaker.text(ids), tuple(ids))
