"""From raw vectors to directions."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NO_DIRECTION = 1e-5


def unit(emb: Floats) -> Floats:
    """Scale [n, D] rows to length 1. A row of zeros stays one."""
    norms = np.linalg.norm(emb, axis=1, keepdims=True)
    scaled: Floats = np.divide(emb, norms, out=np.zeros_like(emb), where=norms > 0)
    return scaled


def centred(emb: Floats) -> Floats:
    """Take the mean of the rows away.

    A language model's states share one strong direction that hides their differences: without
    centring nearly all cosines are above 0.99 (Mu & Viswanath 2018, "All-but-the-Top", take the mean away first).
    A row that lies on the mean has no direction of its own (one prompt alone, or all rows alike) and keeps
    that of the mean. [n, D] float32 in and out.
    """
    mean = emb.mean(axis=0, dtype=np.float64)
    moved = (emb - mean).astype(np.float32)
    on_the_mean = np.linalg.norm(moved, axis=1) <= NO_DIRECTION * np.linalg.norm(mean)
    moved[on_the_mean] = emb[on_the_mean]
    return moved
