"""Places for documents that have none: UMAP to two dimensions (McInnes, Healy & Melville 2018, arXiv 1802.03426)."""

import warnings

import numpy as np
import umap

from tasks.tables import Floats
from tasks.text_map.params import DocumentsParams

SPECTRAL_FROM = 50
"""Documents, from which the graph has a spectrum to begin from."""


def umap_layout(emb: Floats, params: DocumentsParams) -> Floats:
    """Places [n, 2] of vectors [n, D], neighbours by cosine near each other; the same for the same seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reducer = umap.UMAP(
            metric="cosine",
            n_neighbors=min(params.neighbours, len(emb) - 1),
            min_dist=params.min_dist,
            random_state=params.seed,
            n_jobs=1,
            init="spectral" if len(emb) >= SPECTRAL_FROM else "random",
        )
        return np.asarray(reducer.fit_transform(emb), dtype=np.float32)
