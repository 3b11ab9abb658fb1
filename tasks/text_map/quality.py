"""How well held-out documents are placed, and how well places give their embeddings back."""

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KDTree

from tasks.tables import Floats

NEIGHBOURS = 15
BLOCK = 1024
BANDWIDTHS = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.12, 0.2, 0.3)
"""Of standardised places, from which the kernel oracle takes its best."""
Ints = NDArray[np.int64]


def trustworthiness(emb: Floats, placed: Floats, known: Floats, places: Floats, k: int = NEIGHBOURS) -> float:
    """How far neighbours on the map are neighbours in fact, 1 at best: of held-out points among known ones.

    emb, placed: [m, D] unit vectors and [m, 2] of the held-out.  known, places: [n, D], [n, 2].
    Venna & Kaski 2001, for points that join a map: the known ones near on the map but not among the k nearest by
    cosine count by how many ranks they lie beyond k; 0 is the worst there can be, a random map about .5.
    """
    n, k = len(known), _fewer(k, len(known))
    near = _near_on_map(placed, places, k)
    beyond = 0
    for at in range(0, len(emb), BLOCK):
        cosine = emb[at : at + BLOCK] @ known.T
        ranks = _ranks(cosine, near[at : at + BLOCK])
        beyond += int(np.maximum(ranks - k, 0).sum())
    worst = len(emb) * k * (2 * n - 3 * k + 1) / 2
    return float(1 - beyond / worst)


def neighbour_recall(emb: Floats, placed: Floats, known: Floats, places: Floats, k: int = NEIGHBOURS) -> float:
    """Share of the k nearest known ones by cosine that are among the k nearest on the map."""
    k = _fewer(k, len(known))
    near = _near_on_map(placed, places, k)
    index = faiss.IndexFlatIP(known.shape[1])
    index.add(np.ascontiguousarray(known))
    _, true = index.search(np.ascontiguousarray(emb), k)
    return float((near[:, :, None] == true[:, None, :]).any(axis=2).mean())


def coordinate_errors(placed: Floats, places: Floats) -> dict[str, float]:
    """Mean squared and absolute errors over points and axes, [m, 2] each, standardised."""
    away = placed.astype(np.float64) - places
    return {"coordinate_mse": float(np.square(away).mean()), "coordinate_mae": float(np.abs(away).mean())}


def embedding_errors(mean: Floats, emb: Floats) -> dict[str, float]:
    """Of what is said of places, [m, D], against the unit vectors there: errors over all numbers, and the cosine."""
    away = mean.astype(np.float64) - emb
    return {
        "embedding_mse": float(np.square(away).mean()),
        "embedding_mae": float(np.abs(away).mean()),
        "avg_cosine_similarity": float(cosines(mean, emb).mean()),
    }


def cosines(left: Floats, right: Floats) -> Floats:
    """[m] cosines of rows; 0 for a row without length."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    found: Floats = np.einsum("md,md->m", left, right) / np.maximum(lengths, 1e-12)
    return found


def kernel_means(at: Floats, places: Floats, emb: Floats, bandwidth: float) -> Floats:
    """Nadaraya & Watson's regression of unit vectors on places: [m, D] at [m, 2] from [n, 2] and [n, D]."""
    found = np.empty((len(at), emb.shape[1]), dtype=np.float32)
    for begun in range(0, len(at), BLOCK):
        some = at[begun : begun + BLOCK]
        away = np.square(some[:, None] - places[None]).sum(axis=2)
        weight = np.exp((away.min(axis=1, keepdims=True) - away) / (2 * bandwidth**2))
        found[begun : begun + BLOCK] = (weight / weight.sum(axis=1, keepdims=True)) @ emb
    return found


def kernel_oracle(at: Floats, true: Floats, places: Floats, emb: Floats) -> tuple[Floats, float]:
    """Kernel means with the bandwidth that serves the held-out best: a ceiling, which no model may choose so."""
    made = {width: kernel_means(at, places, emb, width) for width in BANDWIDTHS}
    best = max(made, key=lambda width: float(cosines(made[width], true).mean()))
    return made[best], best


def _near_on_map(placed: Floats, places: Floats, k: int) -> Ints:
    found: Ints = KDTree(places).query(placed, k=k, return_distance=False)
    return found


def _ranks(cosine: Floats, rows: Ints) -> Ints:
    """Of the given rows, [m, k], by falling cosine [m, n]: 1 is the nearest."""
    theirs = np.take_along_axis(cosine, rows, axis=1)
    return np.stack([(cosine > one[:, None]).sum(axis=1) for one in theirs.T], axis=1) + 1


def _fewer(k: int, known: int) -> int:
    """k, or half of the known, beyond which the worst there can be is another."""
    return max(1, min(k, (known + 1) // 2))
