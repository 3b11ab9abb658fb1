"""Sampling weights from density: the rarer, the heavier.

    w_i ∝ min(v_i, max_ratio · median(v)),  v_i = (floor + density_i)^-alpha,  mean(w) = 1

alpha = 1 is almost uniform in practice: the effective sample size (Kish 1965) was 0.94 of n with MiniLM and
0.9999 with a small language model's raw states. So alpha is solved for the share that is wanted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
ALPHAS = (0.0, *(2.0**power for power in range(-6, 11)))
BISECTIONS = 60


@dataclass(frozen=True)
class Weighting:
    """Weights and how they came about."""

    weight: Doubles  # [n], mean 1
    alpha: float
    ess: float  # effective sample size, (Σw)² / Σw², in prompts
    capped: int  # prompts at the cap
    on_target: bool  # whether the wanted effective sample size was met

    @property
    def ess_share(self) -> float:
        return self.ess / len(self.weight)


def inverse_density_weights(density: Doubles, *, alpha: float, floor: float, max_ratio: float = np.inf) -> Doubles:
    """Weight points by inverse local density, so that rare ones count more.

    density: [n], mean cosine similarity to the k nearest, in [-1, 1].  alpha: 0 is uniform.  floor: above 0.
    max_ratio: largest weight as a multiple of the median, at least 1.
    Returns [n], dimensionless, mean 1. Raises ValueError on an empty or non-finite density.
    """
    return _exp_mean_1(np.minimum(_logs_over_median(density, alpha, floor), np.log(max_ratio)))


def effective_size(weight: Doubles) -> float:
    """Kish's effective sample size (Σw)² / Σw², between 1 and n."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def solve_weights(
    density: Doubles, *, target_ess: float, floor: float, max_ratio: float, alpha: float | None = None
) -> Weighting:
    """Weights for a given alpha, or for the least alpha whose effective sample size is target_ess · n.

    Without the cap the size falls with alpha, so bisection finds the one solution; with it the size can rise
    again, and the bracket of the first crossing (alphas doubling) is searched. Where nothing crosses (all
    densities alike, few distinct ones) the alpha of the smallest size stands, and on_target is False.
    """

    def weights(power: float) -> Doubles:
        return inverse_density_weights(density, alpha=power, floor=floor, max_ratio=max_ratio)

    if alpha is None:
        alpha = _least_alpha(lambda power: effective_size(weights(power)) / len(density), target_ess)
    weight = weights(alpha)
    ess = effective_size(weight)
    logs = _logs_over_median(density, alpha, floor)
    capped = int((logs > np.log(max_ratio)).sum())
    return Weighting(weight, alpha, ess, capped, abs(ess / len(density) - target_ess) <= 1e-3)


def _least_alpha(share: Callable[[float], float], target: float) -> float:
    shares = []
    for low, high in zip((0.0, *ALPHAS), ALPHAS, strict=False):
        shares.append(share(high))
        if shares[-1] <= target:
            for _ in range(BISECTIONS):
                middle = (low + high) / 2
                low, high = (low, middle) if share(middle) <= target else (middle, high)
            return high
    return ALPHAS[int(np.argmin(np.round(shares, 9)))]


def _logs_over_median(density: Doubles, alpha: float, floor: float) -> Doubles:
    """log(v_i / median(v)), so that no power overflows; of an even number the lower middle, which no cap moves."""
    if not density.size or not np.isfinite(density).all():
        raise ValueError(f"a density of shape {density.shape} is empty or not finite, so it gives no weights")
    logs = -alpha * np.log(floor + np.maximum(0.0, density))
    middle = (len(logs) - 1) // 2
    over: Doubles = logs - np.partition(logs, middle)[middle]
    return over


def _exp_mean_1(logs: Doubles) -> Doubles:
    weight = np.exp(logs - logs.max())
    scaled: Doubles = weight / weight.mean()
    return scaled
