"""Where each prompt stands on the map: UMAP to three dimensions, scaled into a cube.

McInnes, Healy & Melville 2018, "UMAP", arXiv 1802.03426; densMAP: Narayan, Berger & Cho 2021. Departures: so few
points that UMAP has no graph to speak of are laid out by their principal axes; a seed always, hence one thread.
"""

import warnings

import numpy as np
import umap
from numpy.typing import NDArray

Floats = NDArray[np.float32]
DIMENSIONS = 3
FEWEST_FOR_UMAP = 8
SPECTRAL_FROM = 50
BAR_FROM = 5_000


def layout(emb: Floats, *, n_neighbors: int, min_dist: float, seed: int, densmap: bool = False) -> Floats:
    """Lay n vectors out in the cube [-1, 1]³, neighbours by cosine near each other.

    emb: [n, D] unit vectors.  n_neighbors: cut to n - 1 where there are fewer points.
    Returns [n, 3] float32, the same for the same input and seed: centred, one scale for all axes, the widest from
    -1 to 1. Points that are all alike stand at the origin.
    """
    distinct = len(np.unique(emb, axis=0))
    if distinct < FEWEST_FOR_UMAP:
        return into_cube(principal_axes(emb))
    reducer = umap.UMAP(
        n_components=DIMENSIONS,
        metric="cosine",
        n_neighbors=min(n_neighbors, len(emb) - 1),
        min_dist=min_dist,
        densmap=densmap,
        random_state=seed,
        n_jobs=1,
        init="spectral" if distinct >= SPECTRAL_FROM else "random",
        tqdm_kwds={"disable": len(emb) < BAR_FROM, "desc": "laying out the map"},
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(spectral|disconnected|connected component).*")
        return into_cube(np.asarray(reducer.fit_transform(emb), dtype=np.float32))


def principal_axes(emb: Floats) -> Floats:
    """The first three principal components of [n, D], zeros where there are fewer; signs fixed.

    Returns [n, 3] float32.
    """
    centred = emb.astype(np.float64) - emb.mean(axis=0, dtype=np.float64)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    scores = left * np.where(size > 1e-6, size, 0.0)
    signs = np.sign(np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0))
    axes = np.zeros((len(emb), DIMENSIONS), dtype=np.float32)
    width = min(DIMENSIONS, scores.shape[1])
    axes[:, :width] = (scores * np.where(signs == 0, 1.0, signs))[:, :width]
    return axes


def into_cube(points: Floats) -> Floats:
    """Centre the bounding box of [n, 3] and scale all axes by one factor, so that the widest spans [-1, 1]."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    moved = points - middle
    widest = np.abs(moved).max()
    scaled: Floats = (moved / widest if widest > 0 else moved).astype(np.float32)
    return np.clip(scaled, -1.0, 1.0)
