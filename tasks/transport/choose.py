"""Which map a run keeps: a learnt one where held-out targets show that it fits better, else the Bures map."""

from collections.abc import Mapping

import numpy as np

from tasks.transport.maps import BURES, Map
from tasks.transport.measures import better_fit
from tasks.transport.tokens import MOST, Pairs

FEWEST = 20
"""Sequences, fewer of which cannot tell by resampling which map is better."""


def gains(learnt: Mapping[str, Map], bures: Map, held_out: Pairs, seed: int) -> dict[str, float]:
    """By how much, at least, each map brings tokens nearer to the target's than the Bures map does (`better_fit`).

    Neither partners nor a true map are asked. Empty where the held-out sequences are too few to tell: `FEWEST`.
    """
    some = held_out.sampled(MOST)
    if len(some) < FEWEST:
        return {}
    rows = np.concatenate(some)
    ends = np.cumsum([len(of) for of in some])
    within = [np.arange(end - len(of), end) for of, end in zip(some, ends, strict=True)]
    plain = bures(held_out.nl[rows])
    return {
        name: better_fit(made(held_out.nl[rows]), plain, held_out.lean[rows], within, seed)
        for name, made in learnt.items()
    }


def chosen(gained: Mapping[str, float]) -> str:
    """The learnt map that gains the most for certain; bures where none does."""
    return max((name for name, least in gained.items() if least > 0), key=lambda name: gained[name], default=BURES)
