"""A world in which texts are a few words and an embedding says which: what writers can be tested in."""

import numpy as np
from numpy.typing import NDArray

from tasks.vectors import unit

WORDS = ["graph", "neural", "network", "for", "image", "speech", "text", "model", "learning", "deep", "sparse"]
WORDS += ["robust", "fast", "optimal", "transport", "kernel", "search", "policy", "reward", "value"]
DIM = 24
_vectors = np.random.default_rng(1).standard_normal((len(WORDS), DIM)).astype(np.float32)


def texts(n: int, seed: int) -> list[str]:
    """Three different words each, no text twice."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        found[" ".join(WORDS[at] for at in rng.choice(len(WORDS), 3, replace=False))] = None
    return list(found)


def embed(said: list[str]) -> NDArray[np.float32]:
    """Unit vectors [n, D]: the sum of known words' vectors, earlier words a little heavier."""
    rows = np.zeros((len(said), DIM), dtype=np.float32)
    for row, text in enumerate(said):
        for place, word in enumerate(text.split()):
            if word in WORDS:
                rows[row] += _vectors[WORDS.index(word)] * 0.9**place
    rows[~rows.any(axis=1), 0] = 1e-3
    return unit(rows)
