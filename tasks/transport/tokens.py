"""Two tables of token vectors, matched by id and split by sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.tables import Floats
from tasks.token_vectors import read_tokens
from tasks.transport.params import SplitParams

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
FEWEST = 8
"""Sequences."""
MOST = 3000
"""Held-out tokens of a side whose distances are measured, all with all."""


@dataclass(frozen=True)
class Pairs:
    """Sequences of one part: token for token, row i of nl stands beside row i of lean."""

    ids: list[str]
    lengths: NDArray[np.int64]
    nl: Floats
    lean: Floats
    left_out: int = 0
    """Sequences of this part beyond `max_tokens`."""

    @property
    def groups(self) -> list[NDArray[np.int64]]:
        """The rows of each sequence."""
        ends = np.cumsum(self.lengths)
        return [np.arange(end - length, end) for end, length in zip(ends, self.lengths, strict=True)]

    def sampled(self, most: int) -> list[NDArray[np.int64]]:
        """`most` rows by lot, always the same, or all, by sequence: those of which none is drawn are left out. So all
        sequences have their say, and the first and last tokens, which are of their own kind, no more than theirs."""
        total = int(self.lengths.sum())
        drawn = np.zeros(total, dtype=bool)
        drawn[np.random.default_rng(0).permutation(total)[:most]] = True
        return [kept for rows in self.groups if len(kept := rows[drawn[rows]])]


def read_pairs(
    nl: Path, lean: Path, dim: int, params: SplitParams, wanted: Sequence[Part] = PARTS
) -> dict[Part, Pairs]:
    """Read both sides of the wanted parts. dim: D.

    Raises InputError where ids or lengths do not match, there are too few, or a table is not one of such vectors.
    """
    sizes, others = (_sizes(path, dim) for path in (nl, lean))
    _require_matching(sizes, others, nl, lean)
    whole = {part: ids for part, ids in split(sizes, params).items() if part in wanted}
    parts = {
        part: ids[: _fitting(np.array([sizes[name] for name in ids]), params.max_tokens)] for part, ids in whole.items()
    }
    of_nl, of_lean = (_gather(path, parts, sizes, dim) for path in (nl, lean))
    return {
        part: Pairs(
            ids,
            np.array([sizes[name] for name in ids]),
            of_nl[part],
            of_lean[part],
            left_out=len(whole[part]) - len(ids),
        )
        for part, ids in parts.items()
    }


def split(sizes: dict[str, int], params: SplitParams) -> dict[Part, list[str]]:
    """Ids by part, drawn by lot. sizes: tokens by id."""
    drawn = [sorted(sizes)[at] for at in np.random.default_rng(params.seed).permutation(len(sizes))]
    tests = max(2, round(params.test_share * len(drawn)))
    judged = tests + max(2, round(params.validation_share * len(drawn)))
    return {"train": drawn[judged:], "validation": drawn[tests:judged], "test": drawn[:tests]}


def _sizes(path: Path, dim: int) -> dict[str, int]:
    """Tokens by id; every vector is read, and so checked."""
    return {
        name: int(length)
        for group in read_tokens(path, dim)
        for name, length in zip(group.ids, group.lengths, strict=True)
    }


def _require_matching(sizes: dict[str, int], others: dict[str, int], nl: Path, lean: Path) -> None:
    if alone := sorted(sizes.keys() ^ others.keys()):
        where = nl if alone[0] in sizes else lean
        raise InputError(
            f"{len(alone)} ids stand in one file only, such as {alone[0]!r} in {where}, so what belongs together is "
            "not known. Embed both sides from the same rows."
        )
    if uneven := [name for name in sizes if sizes[name] != others[name]]:
        name = uneven[0]
        raise InputError(
            f"{name!r} has {sizes[name]} tokens in {nl} and {others[name]} in {lean}, {len(uneven)} such ids in all: "
            "nl − lean is not defined. `python -m flows.embed --tokens` writes both sides alike."
        )
    if len(sizes) < FEWEST:
        raise InputError(f"{nl} holds {len(sizes)} sequences; a map that is also tested needs {FEWEST} at least.")


def _fitting(lengths: NDArray[np.int64], most: int) -> int:
    """Sequences from the start that hold so many tokens together; at least two."""
    return max(2, int((np.cumsum(lengths) <= most).sum()))


def _gather(path: Path, parts: dict[Part, list[str]], sizes: dict[str, int], dim: int) -> dict[Part, Floats]:
    """The vectors of each part's sequences, in their order, read in a stream."""
    place: dict[str, tuple[Part, int]] = {}
    made: dict[Part, Floats] = {}
    for part, ids in parts.items():
        starts = np.cumsum([0, *(sizes[name] for name in ids)])
        made[part] = np.empty((int(starts[-1]), dim), dtype=np.float32)
        place |= {name: (part, int(start)) for name, start in zip(ids, starts[:-1], strict=True)}
    for group in read_tokens(path, dim):
        ends = np.cumsum(group.lengths)
        for name, length, end in zip(group.ids, group.lengths, ends, strict=True):
            if name in place:
                part, start = place[name]
                made[part][start : start + length] = group.vectors[end - length : end]
    return made
