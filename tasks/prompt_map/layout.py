"""Where each prompt stands on the map: UMAP to three dimensions and to two, scaled into a cube and a square.

McInnes, Healy & Melville 2018, "UMAP", arXiv 1802.03426; densMAP: Narayan, Berger & Cho 2021. Departures: exact
neighbours in place of approximate ones; so few points that UMAP has no graph to speak of are laid out by their
principal axes; a seed always, hence one thread. The flat layout shares the neighbours and starts from the solid one,
so regions stay where the reader saw them.

Measured on MiniLM vectors of 20,000 questions and theorems (trustworthiness at 15 neighbours of 3,000 of them, CPU
seconds of one core; `python -m tests.bench.prompt_map` measures synthetic ones):

    solid, 200 epochs (UMAP's own number)   0.932   12.5 s      50 epochs 0.925, 5.2 s; started by PCA 0.926, 7.0 s
    flat from the solid one, 100 epochs     0.906    3.2 s      from nothing, 200 epochs: 0.910, 8.4 s
    5,000 laid out, 15,000 placed between   0.919    6.7 s      UMAP's transform for the 15,000: 0.934, 10.3 s more
"""

import warnings
from dataclasses import dataclass

import numpy as np
import umap
from numpy.typing import NDArray

from tasks.prompt_map.neighbours import nearest, nearest_others

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
FEWEST_FOR_UMAP = 8
SPECTRAL_FROM = 50
BAR_FROM = 5_000
FLAT_EPOCHS = 100
PLACED_BETWEEN = 5


@dataclass(frozen=True)
class Layout:
    """Places of n points; in each, the widest axis spans -1 to 1 and all axes have one scale."""

    solid: Floats  # [n, 3]
    flat: Floats  # [n, 2]


def layout(emb: Floats, *, n_neighbors: int, min_dist: float, seed: int, densmap: bool = False) -> Layout:
    """Lay n vectors out, neighbours by cosine near each other.

    emb: [n, D] unit vectors.  n_neighbors: cut to n - 1 where there are fewer points.
    Returns the same for the same input and seed. Points that are all alike stand at the origin.
    """
    distinct = len(np.unique(emb, axis=0))
    if distinct < FEWEST_FOR_UMAP:
        solid = into_cube(principal_axes(emb))
        return Layout(solid, into_cube(solid[:, :2]))
    cosine, row = nearest_others(emb, min(n_neighbors, len(emb) - 1) - 1)
    own = np.arange(len(emb))[:, None]
    graph = np.hstack([own, row]), np.hstack([np.zeros_like(own, dtype=np.float32), 1 - cosine])

    def umapped(dimensions: int, init: str | Floats, epochs: int | None) -> Floats:
        reducer = umap.UMAP(
            n_components=dimensions,
            metric="cosine",
            n_neighbors=graph[0].shape[1],
            precomputed_knn=graph,
            min_dist=min_dist,
            densmap=densmap,
            random_state=seed,
            n_jobs=1,
            init=init,
            n_epochs=epochs,
            tqdm_kwds={"disable": len(emb) < BAR_FROM, "desc": f"laying out the map in {dimensions}D"},
        )
        return np.asarray(reducer.fit_transform(emb), dtype=np.float32)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(spectral|disconnected|connected component|precomputed_knn).*")
        solid = umapped(3, "spectral" if distinct >= SPECTRAL_FROM else "random", None)
        flat = umapped(2, spread(principal_axes(solid)[:, :2]), FLAT_EPOCHS)
    return Layout(into_cube(principal_axes(solid)), into_cube(flat))


def placed_between(emb: Floats, fitted: Floats, places: Floats) -> Floats:
    """Places for vectors that were not laid out: the mean of their nearest neighbours' places, the nearer the heavier.

    emb: [m, D], fitted: [n, D], unit vectors.  places: [n, d] of the fitted.  Returns [m, d].
    UMAP's own transform begins so and goes on with epochs that cost eight times as much (figures above).
    """
    cosine, row = nearest(emb, fitted, min(PLACED_BETWEEN, len(fitted)))
    weight = 1 / (1e-3 + 1 - cosine)
    mean: Floats = np.einsum("mk,mkd->md", weight / weight.sum(axis=1, keepdims=True), places[row]).astype(np.float32)
    return mean


def principal_axes(emb: Floats) -> Floats:
    """The first three principal components of [n, D], zeros where there are fewer; signs fixed.

    Returns [n, 3] float32.
    """
    centred = emb.astype(np.float64) - emb.mean(axis=0, dtype=np.float64)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    scores = left * np.where(size > 1e-6, size, 0.0)
    signs = np.sign(np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0))
    axes = np.zeros((len(emb), 3), dtype=np.float32)
    width = min(3, scores.shape[1])
    axes[:, :width] = (scores * np.where(signs == 0, 1.0, signs))[:, :width]
    return axes


def spread(places: Floats) -> Floats:
    """Scale [n, d] so that the widest axis spans 10, as UMAP begins."""
    scaled: Floats = (5 * into_cube(places)).astype(np.float32)
    return scaled


def into_cube(points: Floats) -> Floats:
    """Centre the bounding box of [n, d] and scale all axes by one factor, so that the widest spans [-1, 1]."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    moved = points - middle
    widest = np.abs(moved).max()
    scaled: Floats = (moved / widest if widest > 0 else moved).astype(np.float32)
    return np.clip(scaled, -1.0, 1.0)
