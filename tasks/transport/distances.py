"""All distances between two sets of points, by one matrix product in 64 bits."""

import numpy as np

from tasks.tables import Floats
from tasks.transport.gaussian import Doubles


def squared_distances(a: Floats, b: Floats) -> Doubles:
    """[n, D], [m, D] → [n, m]; not under 0, and 0 between a set's points and themselves where a is b."""
    left, right = (side.astype(np.float64) for side in (a, b))
    centre = left.mean(axis=0)
    left, right = left - centre, right - centre
    apart = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    if a is b:
        np.fill_diagonal(apart, 0.0)
    return np.maximum(apart, 0.0)


def distances(a: Floats, b: Floats) -> Doubles:
    return np.sqrt(squared_distances(a, b))
