"""What the comparison reads of earlier stages' artifacts."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chi2

from tasks.artifact import Artifact
from tasks.diversity.intervals import Doubles
from tasks.tables import WEIGHTS, read_table

LAST = 0.2
"""Of a run's log: what is called its end."""
AT_THE_END = {
    "reward": "reward",
    "kl": "kl",
    "length": "completions/mean_length",
    "zero_variance_groups": "zero_variance_groups",
}
LEAST_EXPECTED = 5
"""Draws that a cell of the chi-square test must expect for its distribution to hold (Cochran 1954)."""


@dataclass(frozen=True)
class Training:
    """How the policies were trained, by arm."""

    settings: list[dict[str, Any]]  # of each arm's first seed
    logs: dict[str, list[list[dict[str, float]]]]  # by seed
    schedule: dict[str, dict[str, float | None]]
    at_the_end: dict[str, dict[str, float | None]]


def asked_prompts(completions: Path, density: Path) -> pl.DataFrame:
    """id, source, density, weight of the prompts that were asked, in their order."""
    weights = read_table(density / "weights.parquet", WEIGHTS).select(*WEIGHTS)
    prompts = pl.read_parquet(completions, columns=["id", "source"])
    return prompts.join(weights, on="id", how="left", maintain_order="left")


def read_measured(
    arms: Sequence[str], measured: Sequence[Artifact]
) -> tuple[dict[str, list[pl.DataFrame]], dict[str, list[list[float]]]]:
    """By arm, for each seed: the measures, and the vocabulary ratios."""
    tables, ratios = defaultdict(list), defaultdict(list)
    for at, made in enumerate(measured):
        arm = arms[at * len(arms) // len(measured)]
        tables[arm].append(pl.read_parquet(made.path / "measures.parquet"))
        ratios[arm].append(json.loads((made.path / "vocabulary.json").read_text()))
    return dict(tables), dict(ratios)


def read_training(arms: Sequence[str], policies: Sequence[Artifact]) -> Training:
    """Settings, logs, and what was drawn against what was meant to be. policies: for each arm its seeds."""
    by_arm = {
        arm: policies[at * len(policies) // len(arms) :][: len(policies) // len(arms)] for at, arm in enumerate(arms)
    }
    logs = {arm: [json.loads((made.path / "log.json").read_text()) for made in of] for arm, of in by_arm.items()}
    return Training(
        settings=[json.loads((of[0].path / "settings.json").read_text()) for of in by_arm.values()],
        logs=logs,
        schedule={
            arm: schedule_figures([pl.read_parquet(made.path / "schedule.parquet") for made in of])
            for arm, of in by_arm.items()
        },
        at_the_end={arm: _means([_end(log) for log in of]) for arm, of in logs.items()},
    )


def schedule_figures(schedules: Sequence[pl.DataFrame]) -> dict[str, float | None]:
    """How uneven the expected draws are, and how far from them those seen.

    schedules: of each seed, expected and seen for each prompt.
    Returns ess, the mean effective sample size of the expectations over their number; chi_square, the sum of Pearson's
    (seen − expected)²/expected over all seeds' cells, which are prompts of like expectation, LEAST_EXPECTED draws at
    least; p, that of independent draws (None with one cell a seed): systematic ones keep closer, so it is seldom small;
    furthest, the largest |seen − expected| of a prompt, which in systematic draws lies below 1.
    """
    statistic, degrees = 0.0, 0
    ess, furthest = [], []
    for schedule in schedules:
        by_weight = schedule.sort("expected", descending=True)
        expected, seen = by_weight["expected"].to_numpy(), by_weight["seen"].to_numpy()
        meant, met = _cells(expected, seen)
        statistic += float(((met - meant) ** 2 / meant).sum())
        degrees += len(meant) - 1
        ess.append(float(expected.sum() ** 2 / (expected**2).sum() / len(expected)))
        furthest.append(float(np.abs(seen - expected).max()))
    p = float(chi2.sf(statistic, degrees)) if degrees else None
    return {"ess": mean(ess), "chi_square": statistic, "p": p, "furthest": max(furthest)}


def _cells(expected: Doubles, seen: Doubles) -> tuple[Doubles, Doubles]:
    """Sums over neighbouring prompts of LEAST_EXPECTED expected draws at least, the last ones with those before."""
    ends = []
    since = 0.0
    for at, of in enumerate(expected, 1):
        since += of
        if since >= LEAST_EXPECTED:
            ends.append(at)
            since = 0.0
    starts = [0, *ends[:-1]]
    return np.add.reduceat(expected, starts), np.add.reduceat(seen, starts)


def _end(log: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Means over the last fifth of a run's log, and the tokens of the whole run, prompts among them."""
    steps = [entry for entry in log if "reward" in entry]
    last = steps[-max(1, int(LAST * len(steps))) :]
    found = {name: [entry[key] for entry in last if entry.get(key) is not None] for name, key in AT_THE_END.items()}
    at_the_end = {name: mean(values) if values else None for name, values in found.items()}
    return at_the_end | {"tokens": steps[-1].get("num_tokens")}


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    known = {name: [row[name] for row in rows if row[name] is not None] for name in rows[0]}
    return {name: mean(values) if values else None for name, values in known.items()}
