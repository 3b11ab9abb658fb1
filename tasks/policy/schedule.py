"""Which prompt is trained on when: drawn beforehand, so that the trainer's own sampling changes nothing.

Systematic resampling (Kitagawa 1996): after a random permutation, `draws` equally spaced points with one
random offset fall on the cumulated shares, so each prompt is drawn within one of its expectation:
|count_i − draws·p_i| < 1. Equal weights give plain shuffled epochs.
"""

import numpy as np
from numpy.typing import NDArray


def systematic_schedule(weights: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.int64]:
    """Indices [draws] of prompts in training order, drawn in proportion to `weights` [n].

    Raises ValueError where weights are empty, negative, not finite or all zero.
    """
    if not len(weights) or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise ValueError("A schedule needs finite weights ≥ 0 of which at least one is positive.")
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(weights))
    edges = np.cumsum(weights[shuffled])
    points = (np.arange(draws) + rng.random()) * (edges[-1] / draws)
    drawn = np.minimum(np.searchsorted(edges, points, side="right"), len(weights) - 1)
    return rng.permutation(shuffled[drawn])


def expected_counts(weights: NDArray[np.float64], draws: int) -> NDArray[np.float64]:
    """How often each prompt is drawn on average, [n]."""
    return draws * weights / weights.sum()
