"""SFT and the arms side by side, over training seeds and prompts: means, intervals, tests of differences."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.diversity.intervals import Doubles, Estimate, Resampling, holm, paired

BASE = "sft"
PRIMARY = ("distinct_correct", "good_spread")
"""The measure that the question is about: the first where answers can be counted, else the second."""
DELTA = 0.2
"""Of the SFT model's standard deviation over prompts in its first draw: differences within it are called none.

Set beforehand; and whatever the number of seeds, for a mean over more draws varies less.
"""


def compare(
    prompts: pl.DataFrame,
    measured: Mapping[str, Sequence[pl.DataFrame]],
    vocabulary: Mapping[str, Sequence[Sequence[float]]],
    *,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """comparison.json: arms → metric → {mean, low, high, n}; contrasts with tests; by source; by density decile.

    prompts: n rows with source, density, weight.  measured: by arm, "sft" among them, for each of S seeds a table of
    n rows, a column a metric. Seeds are paired: the same place in each arm is the same seed.
    vocabulary: by arm and seed, the vocabulary ratio of each run of tokens.
    """
    values = {arm: _by_metric(tables) for arm, tables in measured.items()}
    seeds = len(measured[BASE])
    resampling = Resampling.draw(seeds, len(prompts), resamples, seed)
    deciles = density_deciles(prompts["density"].to_numpy())
    sources = prompts["source"].to_numpy()
    names = sorted(set(sources))
    ratios = _vocabulary(vocabulary, resamples, seed)
    metric = PRIMARY[int(np.isnan(values[BASE][PRIMARY[0]]).all())]
    return {
        "prompts": len(prompts),
        "seeds": seeds,
        "primary": {"contrast": primary_contrast(list(measured)), "metric": metric},
        "arms": {
            arm: {**{name: resampling.mean(x).json() for name, x in metrics.items()}, "vocabulary_ratio": ratios[arm]}
            for arm, metrics in values.items()
        },
        "contrasts": _contrasts(values, resampling, (primary_contrast(list(measured)), metric)),
        "by_source": {
            arm: {
                source: {name: resampling.mean(x, sources == source).json() for name, x in metrics.items()}
                for source in names
            }
            for arm, metrics in values.items()
        },
        "by_density_decile": {
            arm: {name: [resampling.mean(x, deciles == d).json() for d in range(10)] for name, x in metrics.items()}
            for arm, metrics in values.items()
        },
        "weight_by_source": {
            source: {"mean": float(prompts["weight"].to_numpy()[sources == source].mean())} for source in names
        },
    }


def contrasts(arms: Sequence[str]) -> list[tuple[str, str]]:
    """Every arm against SFT, and every later arm against the first ones; density against placebo."""
    trained = [arm for arm in arms if arm != BASE]
    between = [(b, a) if (a, b) != ("density", "placebo") else (a, b) for a, b in combinations(trained, 2)]
    return [(arm, BASE) for arm in trained] + between


def primary_contrast(arms: Sequence[str]) -> str | None:
    """The one difference that the question is about: what density does beyond uneven repetition, or beyond uniform."""
    for other in ("placebo", "uniform"):
        if {"density", other} <= set(arms):
            return f"density-{other}"
    return None


def density_deciles(density: NDArray[np.float64]) -> NDArray[np.int64]:
    """The tenth of prompts each belongs to, by density: 0 is the rarest."""
    rank = np.argsort(np.argsort(density, kind="stable"), kind="stable")
    return rank * 10 // max(1, len(density))


def _by_metric(tables: Sequence[pl.DataFrame]) -> dict[str, Doubles]:
    """[S, n] for each metric."""
    return {name: np.stack([table[name].to_numpy() for table in tables]) for name in tables[0].columns}


def _contrasts(
    values: Mapping[str, Mapping[str, Doubles]], resampling: Resampling, primary: tuple[str | None, str]
) -> dict[str, Any]:
    """Every contrast's tests; all but the one that the question is about corrected for their number."""
    made: dict[str, Any] = {}
    spread = {name: _deviation(x[:1]) for name, x in values[BASE].items()}
    for arm, other in contrasts(list(values)):
        tested = {
            name: paired(x, values[other][name], DELTA * spread[name], resampling) for name, x in values[arm].items()
        }
        alone = primary[1] if f"{arm}-{other}" == primary[0] else None
        p = {name: of["sign_flip_p"] for name, of in tested.items() if name != alone and of["sign_flip_p"] is not None}
        adjusted = holm(p)
        made[f"{arm}-{other}"] = {
            name: {**of, "holm_p": adjusted.get(name)} if name != alone else of for name, of in tested.items()
        }
    return made


def _vocabulary(
    vocabulary: Mapping[str, Sequence[Sequence[float]]], resamples: int, seed: int
) -> dict[str, dict[str, float | int | None]]:
    """The mean ratio of each arm; in the place of prompts stand runs of tokens, as many as every seed has."""
    runs = min(len(of) for seeds in vocabulary.values() for of in seeds)
    if not runs:
        return {arm: Estimate(np.nan, np.nan, np.nan, 0).json() for arm in vocabulary}
    resampling = Resampling.draw(len(vocabulary[BASE]), runs, resamples, seed)
    return {arm: resampling.mean(np.array([of[:runs] for of in seeds])).json() for arm, seeds in vocabulary.items()}


def _deviation(values: Doubles) -> float:
    """The standard deviation over prompts of their means over seeds; nan where no prompt has one."""
    known = ~np.isnan(values)
    of_prompt = known.sum(axis=0)
    means = np.where(known, values, 0.0).sum(axis=0)[of_prompt > 0] / of_prompt[of_prompt > 0]
    return float(means.std()) if len(means) else np.nan
