"""Two tables of token vectors, matched by id and split by sequence."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.tables import Floats
from tasks.token_vectors import read_sizes, read_tokens

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
FEWEST = 8
"""Sequences."""


@dataclass(frozen=True)
class Pairs:
    """Sequences of one part: token for token, row i of nl stands beside row i of lean."""

    ids: list[str]
    lengths: NDArray[np.int64]
    nl: Floats
    lean: Floats

    @property
    def groups(self) -> list[NDArray[np.int64]]:
        """The rows of each sequence."""
        ends = np.cumsum(self.lengths)
        return [np.arange(end - length, end) for end, length in zip(ends, self.lengths, strict=True)]


def read_pairs(nl: Path, lean: Path, dim: int, shares: dict[Part, float], most: int, seed: int) -> dict[Part, Pairs]:
    """Read both sides of every part.

    dim: D.  shares: of the sequences.  most: tokens of a part at most; sequences beyond that are left out by lot.
    Raises InputError where ids or lengths do not match, or a part would be empty.
    """
    sizes, others = (dict(zip(*read_sizes(path), strict=True)) for path in (nl, lean))
    _require_matching(sizes, others, nl, lean)
    parts = {part: chosen for part, chosen in _split(sizes, shares, most, seed).items()}
    sides = [_gather(path, parts, sizes, dim) for path in (nl, lean)]
    return {
        part: Pairs(chosen, np.array([sizes[name] for name in chosen]), sides[0][part], sides[1][part])
        for part, chosen in parts.items()
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


def _split(sizes: dict[str, int], shares: dict[Part, float], most: int, seed: int) -> dict[Part, list[str]]:
    """Ids by part; those of the train part's complement first, so that they do not depend on `most`."""
    drawn = [sorted(sizes)[at] for at in np.random.default_rng(seed).permutation(len(sizes))]
    parts: dict[Part, list[str]] = {}
    for part in ("test", "validation"):
        count = max(1, round(shares[part] * len(drawn)))  # type: ignore[index]
        parts[part], drawn = drawn[:count], drawn[count:]  # type: ignore[index]
    parts["train"] = drawn
    return {part: _at_most(parts[part], sizes, most) for part in PARTS}


def _at_most(ids: list[str], sizes: dict[str, int], most: int) -> list[str]:
    fitting = int((np.cumsum([sizes[name] for name in ids]) <= most).sum())
    return ids[: max(1, fitting)]


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
