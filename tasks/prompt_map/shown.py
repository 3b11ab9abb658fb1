"""Which prompts the page shows where there are more than it can carry."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
QUANTILES = 1001


def shown_rows(weight: Doubles, limit: int, seed: int) -> Ints:
    """At most `limit` of n rows, the heavier (rarer) the likelier, none twice, in order; all where they fit.

    Efraimidis & Spirakis 2006, as in the density stage: the smallest exponential variates of rate weight. So dense
    regions are thinned first, and sparse ones keep their shape.
    """
    if len(weight) <= limit:
        return np.arange(len(weight))
    waits = np.random.default_rng(seed).exponential(size=len(weight)) / np.maximum(weight, np.finfo(np.float64).tiny)
    return np.sort(np.argpartition(waits, limit - 1)[:limit])


def density_quantiles(density: Doubles) -> Doubles:
    """What stands for all densities in a page that shows a sample: the weights' mean and median are theirs."""
    quantiles: Doubles = np.quantile(density, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    return quantiles
