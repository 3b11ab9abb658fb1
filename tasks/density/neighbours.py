"""Local density: how similar a point's nearest neighbours are to it.

Exact search over all points (FAISS, inner product of unit vectors). Equal vectors are one point here: with
51 copies of one vector the search returned the query itself first in 1 case of 51 and left it out of the
first 21 in 30, so "drop the first hit" is no way to leave a point out of its own neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
ROWS_A_SEARCH = 2048


@dataclass(frozen=True)
class Distinct:
    """The different vectors among n rows."""

    emb: Floats  # [m, D]
    row_of: Ints  # [n], which of the m each row is
    counts: Ints  # [m], rows that share a vector


def distinct_vectors(emb: Floats) -> Distinct:
    """Merge rows of [n, D] that are equal bit by bit (0 and -0 are one)."""
    plain = np.ascontiguousarray(emb + np.float32(0.0), dtype=np.float32)
    as_bytes = plain.view(np.dtype((np.void, plain.shape[1] * plain.itemsize))).ravel()
    _, first, row_of, counts = np.unique(as_bytes, return_index=True, return_inverse=True, return_counts=True)
    return Distinct(plain[first], row_of.ravel(), counts)


def nearest_neighbours(emb: Floats, k: int, show: Callable[[float], None] | None = None) -> tuple[Floats, Ints]:
    """The k most similar other points of each point, by cosine.

    emb: [m, D] different vectors of any length but 0 (a zero vector is similar to none).  k: at least 1.
    Returns similarities [m, k], falling, and rows [m, k]; where a point has fewer than k others, the rest is
    nan and -1.
    """
    points = emb.astype(np.float32, copy=True, order="C")
    faiss.normalize_L2(points)
    m = len(points)
    index = faiss.IndexFlatIP(points.shape[1])
    index.add(points)
    similarity = np.full((m, k), np.nan, dtype=np.float32)
    neighbour = np.full((m, k), -1, dtype=np.int64)
    wanted = min(k + 1, m)
    for start in range(0, m, ROWS_A_SEARCH):
        rows = np.arange(start, min(start + ROWS_A_SEARCH, m))
        found_similarity, found = index.search(points[rows], wanted)
        others = (found != rows[:, None]) & (found >= 0)
        first = np.argsort(~others, axis=1, kind="stable")[:, : min(k, wanted)]
        kept = np.take_along_axis(others, first, axis=1)
        width = first.shape[1]
        similarity[rows, :width] = np.where(kept, np.take_along_axis(found_similarity, first, axis=1), np.nan)
        neighbour[rows, :width] = np.where(kept, np.take_along_axis(found, first, axis=1), -1)
        if show:
            show((start + len(rows)) / m)
    return similarity, neighbour


def knn_density(emb: Floats, k: int, show: Callable[[float], None] | None = None) -> Doubles:
    """Mean cosine similarity to the k nearest different points, at least 0.

    emb: [n, D].  k: with k or fewer others, all of them count; a point without any other has density 0.
    Returns [n] in [0, 1], dimensionless; rows with equal vectors share their value.
    Raises ValueError on an empty or non-finite emb.
    """
    if emb.ndim != 2 or not emb.size or not np.isfinite(emb).all():
        raise ValueError(f"vectors of shape {emb.shape} are empty or not finite, so they have no neighbours")
    distinct = distinct_vectors(emb)
    similarity, neighbour = nearest_neighbours(distinct.emb, k, show)
    there = neighbour >= 0
    total = np.where(there, similarity, 0.0).sum(axis=1, dtype=np.float64)
    density: Doubles = np.clip(total / np.maximum(1, there.sum(axis=1)), 0.0, 1.0)
    return density[distinct.row_of]
