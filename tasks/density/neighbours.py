"""Local density: how similar a point's nearest neighbours are to it.

Inner product of unit vectors by FAISS. Up to some 50,000 points every point is compared with every other; beyond,
inverted lists (Sivic & Zisserman 2003; FAISS' IVF) with as many lists probed as give the recall that is wanted on
a sample that is searched exactly too. Where that takes so many that nothing is saved, the search is exact after all.
Inverted lists and not a graph (HNSW), because several threads build the same lists each time.

Equal vectors are one point here: with 51 copies of one vector the search returned the query itself first in 1 case
of 51 and left it out of the first 21 in 30, so "drop the first hit" is no way to leave a point out of its own
neighbours.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
ROWS_A_SEARCH = 2048
ROWS_TO_COMPARE = 1000
ROWS_A_LIST_TO_TRAIN = 64
FEWEST_PROBES = 8
PROBED_AT_MOST = 1 / 8
"""Of all lists: beyond, a matrix product over all points is as fast."""


@dataclass(frozen=True)
class Distinct:
    """The different vectors among n rows."""

    emb: Floats  # [m, D]
    first: Ints  # [m], the row that stands for all its copies
    row_of: Ints  # [n], which of the m each row is
    counts: Ints  # [m], rows that share a vector


@dataclass(frozen=True)
class Search:
    """How neighbours were found."""

    index: str  # "flat": each point with each other; "ivf": inverted lists
    lists: int = 0
    probes: int = 0
    recall: float = 1.0  # share of the true neighbours found, on a sample
    least_recall: float = 1.0  # what was wanted

    @property
    def fell_back(self) -> bool:
        """Whether lists were tried and the search became exact for want of recall."""
        return self.index == "flat" and self.lists > 0

    def summary(self) -> dict[str, Any]:
        return {**asdict(self), "fell_back": self.fell_back}


def distinct_vectors(emb: Floats) -> Distinct:
    """Merge rows of [n, D] that are equal bit by bit (0 and -0 are one); the first of each stands for all."""
    hashes = _row_hashes(emb)
    _, first, row_of, counts = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, row_of, counts = first[order], rank[row_of.ravel()], counts[order]
    if len(first) == len(emb):
        return Distinct(emb, first, row_of, counts)
    copies = np.flatnonzero(first[row_of] != np.arange(len(emb)))
    if any((emb[rows] != emb[first[row_of[rows]]]).any() for rows in np.array_split(copies, len(copies) // 4096 + 1)):
        raise ValueError("two different vectors have one 64-bit hash: one case in 10^7 among a million vectors")
    return Distinct(emb[first], first, row_of, counts)


def _row_hashes(emb: Floats) -> NDArray[np.uint64]:
    """[n] hashes of rows: sums of their numbers' bits, multiplied by fixed random odd ones, modulo 2^64."""
    odd = np.random.default_rng(0).integers(0, 2**63, size=emb.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.empty(len(emb), dtype=np.uint64)
    for start in range(0, len(emb), ROWS_A_SEARCH):
        plain = np.ascontiguousarray(emb[start : start + ROWS_A_SEARCH] + np.float32(0.0), dtype=np.float32)
        bits = plain.view(np.uint32).astype(np.uint64)
        mixed = (bits ^ (bits << np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
        hashes[start : start + ROWS_A_SEARCH] = ((mixed ^ (mixed >> np.uint64(32))) * odd).sum(axis=1, dtype=np.uint64)
    return hashes


def nearest_neighbours(
    emb: Floats,
    k: int,
    *,
    exact_up_to: int = 50_000,
    least_recall: float = 0.99,
    show: Callable[[float], None] | None = None,
) -> tuple[Floats, Ints, Search]:
    """The k most similar other points of each point, by cosine.

    emb: [m, D] different vectors of any length but 0 (a zero vector is similar to none).  k: at least 1.
    exact_up_to: points up to which all are compared.  least_recall: share of the true neighbours to be found beyond.
    Returns similarities [m, k], falling, rows [m, k] and how they were found; where a point has fewer than k others,
    the rest is nan and -1.
    """
    m = len(emb)
    wanted = min(k + 1, m)
    index, search = _index(emb, wanted, exact_up_to, least_recall)
    similarity = np.full((m, k), np.nan, dtype=np.float32)
    neighbour = np.full((m, k), -1, dtype=np.int64)
    for start in range(0, m, ROWS_A_SEARCH):
        rows = np.arange(start, min(start + ROWS_A_SEARCH, m))
        found_similarity, found = index.search(_unit(emb[rows]), wanted)
        others = (found != rows[:, None]) & (found >= 0)
        first = np.argsort(~others, axis=1, kind="stable")[:, : min(k, wanted)]
        kept = np.take_along_axis(others, first, axis=1)
        width = first.shape[1]
        similarity[rows, :width] = np.where(kept, np.take_along_axis(found_similarity, first, axis=1), np.nan)
        neighbour[rows, :width] = np.where(kept, np.take_along_axis(found, first, axis=1), -1)
        if show:
            show((start + len(rows)) / m)
    return similarity, neighbour, search


def _index(emb: Floats, wanted: int, exact_up_to: int, least_recall: float) -> tuple[Any, Search]:
    if len(emb) <= exact_up_to:
        return _filled(faiss.IndexFlatIP(emb.shape[1]), emb), Search("flat")
    lists = int(4 * len(emb) ** 0.5)
    sample = np.random.default_rng(0).permutation(len(emb))
    quantiser = faiss.IndexFlatIP(emb.shape[1])
    index = faiss.IndexIVFFlat(quantiser, emb.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.train(_unit(emb[np.sort(sample[: ROWS_A_LIST_TO_TRAIN * lists])]))
    _filled(index, emb)
    asked = np.sort(sample[:ROWS_TO_COMPARE])
    true = _exact_neighbours(emb, asked, wanted)
    index.nprobe, recall = FEWEST_PROBES // 2, 0.0
    while recall < least_recall and 2 * index.nprobe <= PROBED_AT_MOST * lists:
        index.nprobe *= 2
        recall = _recall(index.search(_unit(emb[asked]), wanted)[1], true)
    if recall >= least_recall:
        return index, Search("ivf", lists, index.nprobe, recall, least_recall)
    del index
    fallen = Search("flat", lists, 0, 1.0, least_recall)
    return _filled(faiss.IndexFlatIP(emb.shape[1]), emb), fallen


def _exact_neighbours(emb: Floats, asked: Ints, wanted: int) -> Ints:
    """The `wanted` nearest rows of some rows, themselves among them."""
    heap = faiss.ResultHeap(len(asked), wanted, keep_max=True)
    queries = _unit(emb[asked])
    for start in range(0, len(emb), 16 * ROWS_A_SEARCH):
        block = _unit(emb[start : start + 16 * ROWS_A_SEARCH])
        similarity, rows = faiss.knn(queries, block, min(wanted, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(similarity, rows + start)
    heap.finalize()
    found: Ints = heap.I
    return found


def _recall(found: Ints, true: Ints) -> float:
    hits = sum(len(np.intersect1d(f, t)) for f, t in zip(found, true, strict=True))
    return hits / true.size


def _filled(index: Any, emb: Floats) -> Any:
    for start in range(0, len(emb), 16 * ROWS_A_SEARCH):
        index.add(_unit(emb[start : start + 16 * ROWS_A_SEARCH]))
    return index


def _unit(emb: Floats) -> Floats:
    points = emb.astype(np.float32, copy=True, order="C")
    faiss.normalize_L2(points)
    return points


@dataclass(frozen=True)
class Density:
    """How dense it is around each of n points, and their neighbours."""

    values: Doubles  # [n], mean cosine similarity to the nearest different points, in [0, 1]
    search: Search
    distinct: Distinct
    similarity: Floats  # [m, k] of the m different points
    neighbour: Ints  # [m, k]

    def neighbours(self, row: int) -> list[tuple[int, float]]:
        """Rows of the points nearest to one, with their cosine similarity, falling."""
        point = self.distinct.row_of[row]
        found = zip(self.neighbour[point], self.similarity[point], strict=True)
        return [(int(self.distinct.first[other]), float(cosine)) for other, cosine in found if other >= 0]


def knn_density(
    emb: Floats,
    k: int,
    *,
    exact_up_to: int = 50_000,
    least_recall: float = 0.99,
    show: Callable[[float], None] | None = None,
) -> Density:
    """Mean cosine similarity to the k nearest different points, at least 0.

    emb: [n, D].  k: with k or fewer others, all of them count; a point without any other has density 0.
    Rows with equal vectors share their value. Raises ValueError on an empty or non-finite emb.
    """
    if emb.ndim != 2 or not emb.size or not np.isfinite(emb).all():
        raise ValueError(f"vectors of shape {emb.shape} are empty or not finite, so they have no neighbours")
    distinct = distinct_vectors(emb)
    similarity, neighbour, search = nearest_neighbours(
        distinct.emb, k, exact_up_to=exact_up_to, least_recall=least_recall, show=show
    )
    there = neighbour >= 0
    total = np.where(there, similarity, 0.0).sum(axis=1, dtype=np.float64)
    density = np.clip(total / np.maximum(1, there.sum(axis=1)), 0.0, 1.0)
    return Density(density[distinct.row_of], search, distinct, similarity, neighbour)
