"""umap-learn's own way onto a given map and back, for comparison."""

import warnings

import numpy as np
import umap

from tasks.tables import Floats

NEIGHBOURS = 15
SPAN = 10.0
"""Of the widest axis: UMAP's own layouts begin so, and its curve of attraction is in such units."""
NATURAL = (5.0, 50.0)
"""Spans that a layout of its own may end with, in which places stay as they are."""


def umap_on(emb: Floats, places: Floats, seed: int) -> "OnUmap":
    """UMAP's graph of [n, D] unit vectors with the given places [n, 2] in the place of its layout."""
    widest = float(np.ptp(places, axis=0).max())
    scale, low = 1.0 if NATURAL[0] <= widest <= NATURAL[1] else SPAN / widest, places.min(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reducer = umap.UMAP(
            n_neighbors=min(NEIGHBOURS, len(emb) - 1),
            metric="cosine",
            random_state=seed,
            n_jobs=1,
            n_epochs=0,
            init=np.ascontiguousarray(places),
        ).fit(emb)
    reducer.embedding_ = np.ascontiguousarray((places - low) * scale, dtype=np.float32)
    reducer.n_epochs = None
    return OnUmap(reducer, scale, low)


class OnUmap:
    """A fitted UMAP, whose places are given back in the units in which they came."""

    def __init__(self, reducer: umap.UMAP, scale: float, low: Floats) -> None:
        self.reducer, self.scale, self.low = reducer, scale, low

    def transform(self, emb: Floats) -> Floats:
        """Places [m, 2] of unit vectors [m, D]."""
        placed: Floats = (self.reducer.transform(emb) / self.scale + self.low).astype(np.float32)
        return placed

    def inverse_transform(self, places: Floats) -> Floats:
        """Embeddings [m, D] of places [m, 2]."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = self.reducer.inverse_transform(((places - self.low) * self.scale).astype(np.float32))
        return np.asarray(made, dtype=np.float32)
