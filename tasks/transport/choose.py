"""Which map a run keeps: a learnt one where held-out targets show that it fits better, else the Bures map."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tasks.transport.maps import BURES, Map
from tasks.transport.measures import better_fit
from tasks.transport.tokens import Pairs

MOST = 3000
"""Held-out tokens that are compared, all with all."""


def gains(learnt: Mapping[str, Map], bures: Map, held_out: Pairs, seed: int) -> dict[str, float]:
    """By how much, at least, each map brings tokens nearer to the target's than the Bures map does (`better_fit`).

    Neither partners nor a true map are asked.
    """
    some = _fewer(held_out.groups)
    rows = np.concatenate(some)
    ends = np.cumsum([len(of) for of in some])
    within = [np.arange(end - len(of), end) for of, end in zip(some, ends, strict=True)]
    plain = bures(held_out.nl[rows])
    return {
        name: better_fit(made(held_out.nl[rows]), plain, held_out.lean[rows], within, seed)
        for name, made in learnt.items()
    }


def chosen(gained: Mapping[str, float]) -> str:
    """The first learnt map that gains for certain, in the order in which they were asked for; else bures."""
    return next((name for name, least in gained.items() if least > 0), BURES)


def _fewer(groups: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """From the start, as many as hold `MOST` rows; at least two, shortened."""
    fitting = int((np.cumsum([len(of) for of in groups]) <= MOST).sum())
    return [of[:MOST] for of in groups[: max(2, fitting)]]
