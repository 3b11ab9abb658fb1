"""Batches of a corpus that is never in memory whole, the same for a seed wherever training goes on.

A few row groups, drawn by lot, are read at a time: rows of one group come from one cycle and follow each other in
traces, so that a batch of neighbours would be of one kind. A batch holds terms of about one length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.batches import Ints, alike_length_batches
from tasks.errors import InputError
from tasks.reducer.corpus import Group, read_groups, without

POOLED = 8
"""Row groups, of about 25,000 rows, that are in memory at once."""
SORTED = 4096
"""Rows that are sorted by length among themselves."""


@dataclass(frozen=True)
class Place:
    """Where training stands in the stream: a batch of a pool."""

    pool: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Stream:
    """new, old: row groups.  mix: share of old rows, 0 to 1 (not 1).  judged: see `without`.  characters: of a batch,
    padding included; a longer term is a batch of its own.  answers: next terms are characters of it, too."""

    new: Sequence[Group]
    old: Sequence[Group]
    mix: float
    judged: pl.DataFrame
    characters: int
    seed: int
    answers: bool = False

    def batches(self, place: Place) -> Iterator[tuple[Place, pl.DataFrame]]:
        """Batches without end from a place on, each with the place after it.

        Raises InputError where no row is left to learn from.
        """
        empty = 0
        while True:
            cut = self._pool(place.pool)
            empty = 0 if cut else empty + 1
            if empty * POOLED >= len(self.new) + POOLED:
                raise InputError(
                    "No row is left to learn from: every term of the train split, or its next one, is in a val or test "
                    "split of these corpora or of what --exclude names. Exclude less, or give another corpus."
                )
            for number in range(place.batch, len(cut)):
                yield Place(place.pool, number + 1), cut[number]
            place = Place(place.pool + 1)

    def lengths(self, rows: pl.DataFrame) -> Ints:
        """Characters that are read of each row, [n]."""
        read = pl.col("term").str.len_bytes()
        if self.answers:
            read = read + pl.col("next_term").str.len_bytes().fill_null(0)
        return rows.select(read.cast(pl.Int64)).to_series().to_numpy()

    def _pool(self, number: int) -> list[pl.DataFrame]:
        rng = np.random.default_rng([self.seed, 0, number])
        rows = without(read_groups(self._drawn(self.new, number, 1)), self.judged)
        if self.old and self.mix:
            wanted = round(len(rows) * self.mix / (1 - self.mix))
            old = without(read_groups(self._drawn(self.old, number, 2)), self.judged)
            rows = pl.concat([rows, old[np.sort(_drawn_rows(len(old), wanted, rng))]])
        rows = rows[rng.permutation(len(rows))]
        lengths = self.lengths(rows)
        cut = [
            rows[start + some]
            for start in range(0, len(rows), SORTED)
            for some in alike_length_batches(lengths[start : start + SORTED], self.characters)
        ]
        return [cut[at] for at in rng.permutation(len(cut))]

    def _drawn(self, groups: Sequence[Group], pool: int, which: int) -> list[Group]:
        """The groups of a pool: all once, by lot, before any comes again."""
        many = min(POOLED, len(groups))
        passes = [(at // len(groups), at % len(groups)) for at in range(pool * many, (pool + 1) * many)]
        order = {turn: np.random.default_rng([self.seed, which, turn]).permutation(len(groups)) for turn, _ in passes}
        return [groups[order[turn][at]] for turn, at in passes]


def _drawn_rows(many: int, wanted: int, rng: np.random.Generator) -> Ints:
    """Numbers of rows, [wanted]: each of `many` once, by lot, before any comes again."""
    if wanted and not many:
        raise InputError(
            "No row of --old-data is left to learn from: all are in a val or test split of these corpora or of what "
            "--exclude names. Exclude less, or leave --old-data out."
        )
    turns = [rng.permutation(many) for _ in range(0, wanted, max(1, many))]
    return np.concatenate([np.zeros(0, dtype=np.int64), *turns])[:wanted]
