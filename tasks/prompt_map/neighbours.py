"""Nearest neighbours by cosine: exact search over the points on the page (FAISS, inner product of unit vectors)."""

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
ROWS_A_SEARCH = 2048


def nearest(queries: Floats, points: Floats, k: int) -> tuple[Floats, Ints]:
    """The k points most similar to each query.

    queries: [q, D], points: [n, D], unit vectors.  k: at most n.  Returns cosines [q, k], falling, and rows [q, k].
    """
    index = faiss.IndexFlatIP(points.shape[1])
    index.add(np.ascontiguousarray(points))
    cosine = np.empty((len(queries), k), dtype=np.float32)
    row = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), ROWS_A_SEARCH):
        part = slice(start, start + ROWS_A_SEARCH)
        cosine[part], row[part] = index.search(np.ascontiguousarray(queries[part]), k)
    return np.clip(cosine, -1.0, 1.0), row


def nearest_others(emb: Floats, k: int) -> tuple[Floats, Ints]:
    """The k most similar other points of each point of [n, D].

    k: cut to n - 1.  Returns cosines [n, k], falling, and rows [n, k]. A point that has more than k twins may not
    find itself; then it is the last hit that is left out.
    """
    k = min(k, len(emb) - 1)
    cosine, row = nearest(emb, emb, k + 1)
    left_out = row == np.arange(len(emb))[:, None]
    left_out[~left_out.any(axis=1), -1] = True
    return cosine[~left_out].reshape(-1, k), row[~left_out].reshape(-1, k)
