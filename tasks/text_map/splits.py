"""Which documents are held out."""

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 0.1
MOST_HELD_OUT = 2000


def split(n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from, sorted, and rows that judge, by lot: a tenth is held out, 2,000 at most, one at least."""
    drawn = np.random.default_rng(seed).permutation(n)
    held = max(1, min(MOST_HELD_OUT, round(HELD_OUT * n)))
    return np.sort(drawn[held:]), drawn[:held]
