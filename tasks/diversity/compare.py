"""SFT and the arms side by side, over training seeds and prompts: means, intervals, tests of differences."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.diversity.intervals import Doubles, Resampling, holm, paired
from tasks.diversity.measure import possible

BASE = "sft"
PRIMARY = ("distinct_correct", "good_spread")
"""The measure that the question is about: the first where answers can be counted, else the second."""
DELTA = 0.2
"""Of the SFT model's standard deviation over prompts in its first draw: differences within it are called none.

Set beforehand; and whatever the number of seeds, for a mean over more draws varies less.
"""
VOCABULARY = "vocabulary_ratio"
"""The one measure that is not of prompts but of runs of tokens over many of them."""


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
    ratios = _runs(vocabulary)
    seeds = len(measured[BASE])
    resampling = Resampling.draw(seeds, len(prompts), resamples, seed)
    of_runs = Resampling.draw(seeds, ratios[BASE].shape[1], resamples, seed)
    all_values = {arm: metrics | {VOCABULARY: ratios[arm]} for arm, metrics in values.items()}
    deciles = density_deciles(prompts["density"].to_numpy())
    sources = prompts["source"].to_numpy()
    names = sorted(set(sources))
    metric = PRIMARY[int(np.isnan(values[BASE][PRIMARY[0]]).all())]
    return {
        "prompts": len(prompts),
        "seeds": seeds,
        "primary": {"contrast": primary_contrast(list(measured)), "metric": metric},
        "arms": {
            arm: {name: _mean(name, of_runs if name == VOCABULARY else resampling, x) for name, x in metrics.items()}
            for arm, metrics in all_values.items()
        },
        "contrasts": _contrasts(all_values, resampling, of_runs, (primary_contrast(list(measured)), metric)),
        "by_source": {
            arm: {
                source: {name: _mean(name, resampling, x, sources == source) for name, x in metrics.items()}
                for source in names
            }
            for arm, metrics in values.items()
        },
        "by_density_decile": {
            arm: {name: [_mean(name, resampling, x, deciles == d) for d in range(10)] for name, x in metrics.items()}
            for arm, metrics in values.items()
        },
        "weight_by_source": {
            source: {"mean": float(prompts["weight"].to_numpy()[sources == source].mean())} for source in names
        },
    }


def contrasts(arms: Sequence[str]) -> list[tuple[str, str]]:
    """Every arm against SFT, and every later arm against the first ones; weighed ones against placebo."""
    trained = [arm for arm in arms if arm != BASE]
    between = [(a, b) if b == "placebo" and a != "uniform" else (b, a) for a, b in combinations(trained, 2)]
    return [(arm, BASE) for arm in trained] + between


def between_arms(arms: Sequence[str]) -> dict[str, str]:
    """Contrasts of trained arms by their key in comparison.json, as "density less placebo"."""
    return {f"{one}-{other}": f"{one} less {other}" for one, other in contrasts(arms) if other != BASE}


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


def _mean(name: str, resampling: Resampling, values: Doubles, of: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    return resampling.mean(values, of).within(*possible(name)).json()


def _contrasts(
    values: Mapping[str, Mapping[str, Doubles]],
    resampling: Resampling,
    of_runs: Resampling,
    primary: tuple[str | None, str],
) -> dict[str, Any]:
    """Every contrast's tests; all but the one that the question is about corrected for their number."""
    made: dict[str, Any] = {}
    spread = {name: _deviation(x[0]) for name, x in values[BASE].items()}
    for arm, other in contrasts(list(values)):
        tested = {
            name: paired(x, values[other][name], DELTA * spread[name], of_runs if name == VOCABULARY else resampling)
            for name, x in values[arm].items()
        }
        alone = primary[1] if f"{arm}-{other}" == primary[0] else None
        p = {name: of["sign_flip_p"] for name, of in tested.items() if name != alone and of["sign_flip_p"] is not None}
        adjusted = holm(p)
        made[f"{arm}-{other}"] = {
            name: {**of, "holm_p": adjusted.get(name)} if name != alone else of for name, of in tested.items()
        }
    return made


def _runs(vocabulary: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Doubles]:
    """[S, runs] for each arm, as many runs as every seed of every arm has; nan where one has none."""
    runs = min(len(of) for seeds in vocabulary.values() for of in seeds)
    return {arm: np.array([of[:runs] or [np.nan] for of in seeds]) for arm, seeds in vocabulary.items()}


def _deviation(values: Doubles) -> float:
    """The standard deviation over the prompts that have a value; nan where none has."""
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else np.nan
