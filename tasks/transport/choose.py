"""Which map a run proposes: a learnt one where held-out targets show that it fits better, else the Bures map."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.tables import Floats
from tasks.transport.maps import BURES, Map
from tasks.transport.measures import better_fit

MOST = 3000
"""Held-out tokens that are compared, all with all."""


def chosen(
    learnt: Mapping[str, Map], bures: Map, x: Floats, y: Floats, groups: Sequence[NDArray[np.int64]], seed: int
) -> str:
    """The first name of `learnt` whose map of x is nearer to y than the Bures map's, for certain; else bures.

    x, y: [n, D], held-out tokens of the two sides.  Nothing else is asked: neither pairs nor a true map.
    """
    some = _fewer(groups)
    rows = np.concatenate(some)
    ends = np.cumsum([len(of) for of in some])
    within = [np.arange(end - len(of), end) for of, end in zip(some, ends, strict=True)]
    plain = bures(x[rows])
    for name, made in learnt.items():
        if better_fit(made(x[rows]), plain, y[rows], within, seed) > 0:
            return name
    return BURES


def _fewer(groups: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """From the start, as many as hold `MOST` rows; at least two, shortened."""
    fitting = int((np.cumsum([len(of) for of in groups]) <= MOST).sum())
    return [of[:MOST] for of in groups[: max(2, fitting)]]
