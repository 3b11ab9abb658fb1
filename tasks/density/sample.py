"""A weighted sample without replacement."""

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


DEFAULT_BUDGET = 256


def default_budget(n: int) -> int:
    """Rows that are drawn where nobody said how many."""
    return min(DEFAULT_BUDGET, n)


def weighted_sample(weight: Doubles, budget: int, seed: int) -> Ints:
    """Draw `budget` different rows, each next one by the weights of those that are left.

    Efraimidis & Spirakis 2006, algorithm A: the rows with the largest keys u_i^(1/w_i), u uniform; here
    the smallest -log(u_i) / w_i, an exponential variate of rate w_i, which underflows nowhere.
    weight: [n], at least 0.  Returns [budget] row numbers in the order drawn.
    Raises InputError where fewer than `budget` rows have a weight above 0, ValueError on a negative one.
    """
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("weights must be finite and at least 0")
    there = int((weight > 0).sum())
    if budget > there:
        raise InputError(
            f"A budget of {budget} asks for more prompts than there are ({there}), and none is drawn twice. "
            f"Give at most {there}."
        )
    waits = np.random.default_rng(seed).exponential(size=len(weight))
    keys = np.divide(waits, weight, out=np.full(len(weight), np.inf), where=weight > 0)
    first = np.argpartition(keys, budget - 1)[:budget] if budget < len(keys) else np.arange(len(keys))
    drawn: Ints = first[np.argsort(keys[first], kind="stable")]
    return drawn
