"""What a share of right answers can tell."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Z = 1.959964  # of a normal deviate, 95 % within ±z


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share seen in n > 0 trials (Wilson 1927): within [0, 1] and honest at small n."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return min(share, low), max(share, high)  # rounding alone puts a share of 0 or 1 outside


def sign_test(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Two-sided p that two judges are right equally often, from cases [n] that both judged (McNemar 1947, exact).

    Only cases in which one is more right than the other count; 1 where there is none.
    """
    won, lost = int((one > other).sum()), int((one < other).sum())
    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0
