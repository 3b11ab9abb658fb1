"""Where a document stands that was not laid out, and what stands at a place.

Given an embedding the map has several likely places (a document between two topics), so that any mean, a perceptron's
too, puts it between clusters, where nothing is. The geometric median of its neighbours' places does not.
"""

import faiss
import numpy as np
import torch

from tasks.tables import Floats
from tasks.text_map.networks import Decoder, Encoder

NEIGHBOURS = 15
WEISZFELD_ROUNDS = 50
NEAR_ENOUGH = 1e-6
BLOCK = 8192


def nearest_documents(emb: Floats, known: Floats, k: int = NEIGHBOURS) -> tuple[Floats, np.ndarray]:
    """Cosines and rows, [m, k], of the k known unit vectors nearest to each of [m, D]; k shrinks with their number."""
    index = faiss.IndexFlatIP(known.shape[1])
    index.add(np.ascontiguousarray(known))
    return index.search(np.ascontiguousarray(emb), min(k, len(known)))


def place_hybrid(emb: Floats, known: Floats, places: Floats, k: int = NEIGHBOURS) -> Floats:
    """Places [m, 2] for unit vectors [m, D]: the geometric median of the places of the k nearest known ones.

    At most a third of all are asked: with as many as there are, every place would be the same.
    """
    _, rows = nearest_documents(emb, known, min(k, max(1, len(known) // 3)))
    return geometric_median(places[rows])


def geometric_median(points: Floats) -> Floats:
    """The place [m, d] with the least sum of distances to each set of points [m, k, d], by Weiszfeld (1937).

    A point of the set that an iterate meets would have infinite weight: distances are held above 1e-6.
    """
    middle = points.mean(axis=1, dtype=np.float64)
    for _ in range(WEISZFELD_ROUNDS):
        away = np.maximum(np.linalg.norm(points - middle[:, None], axis=2), NEAR_ENOUGH)
        weight = (1 / away) / (1 / away).sum(axis=1, keepdims=True)
        moved = np.einsum("mk,mkd->md", weight, points)
        if np.abs(moved - middle).max() < NEAR_ENOUGH:
            break
        middle = moved
    found: Floats = middle.astype(np.float32)
    return found


def place_by_network(encoder: Encoder, emb: Floats) -> Floats:
    """Standardised places [m, 2] of unit vectors [m, D]."""
    with torch.inference_mode():
        blocks = [encoder(torch.from_numpy(emb[at : at + BLOCK])).numpy() for at in range(0, len(emb), BLOCK)]
    return np.concatenate(blocks) if blocks else np.empty((0, 2), dtype=np.float32)


def embeddings_at(decoder: Decoder, places: Floats) -> tuple[Floats, Floats]:
    """Unit vectors [m, D] and confidences [m] in [0, 1] at standardised places [m, 2]."""
    with torch.inference_mode():
        blocks = [decoder(torch.from_numpy(places[at : at + BLOCK])).numpy() for at in range(0, len(places), BLOCK)]
    mean = np.concatenate(blocks)
    length = np.linalg.norm(mean, axis=1)
    return mean / np.maximum(length, 1e-12)[:, None], np.minimum(length, 1.0)
