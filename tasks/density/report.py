"""The density stage's figures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.density.params import DensityParams
from tasks.density.weights import Weighting

SHOWN = 20


def density_report(
    ids: list[str], density: NDArray[np.float64], weighting: Weighting, params: DensityParams
) -> dict[str, Any]:
    """What was done and what came out, as JSON. ids and density: n of each."""
    by_rarity = np.lexsort((np.array(ids), density))
    low, middle, high = (float(np.quantile(density, q)) for q in (0.1, 0.5, 0.9))
    return {
        "n": len(ids),
        "k": min(params.k, max(0, len(ids) - 1)),
        "alpha": weighting.alpha,
        "alpha_solved": params.alpha is None,
        "target_ess": params.target_ess,
        "on_target": weighting.on_target,
        "ess": weighting.ess,
        "ess_share": weighting.ess_share,
        "floor": params.floor,
        "cap": params.max_ratio,
        "capped": weighting.capped,
        "density": {"p10": low, "median": middle, "p90": high},
        "rarest": [_row(ids, density, weighting, row) for row in by_rarity[:SHOWN]],
        "most_common": [_row(ids, density, weighting, row) for row in by_rarity[::-1][:SHOWN]],
    }


def headline(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The report's figures as one row of a table."""
    shown = ("n", "k", "alpha", "ess", "ess_share", "target_ess", "on_target", "cap", "capped")
    return [{name: report[name] for name in shown}]


def _row(ids: list[str], density: NDArray[np.float64], weighting: Weighting, row: int) -> dict[str, Any]:
    return {"id": ids[row], "density": float(density[row]), "weight": float(weighting.weight[row])}
