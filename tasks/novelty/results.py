"""Scores of every experiment, seed and detector as tables, and what can be said of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.novelty.evaluate import figures, intervals
from tasks.novelty.experiment import by_novel_set
from tasks.novelty.params import Experiment

Doubles = NDArray[np.float64]
ENSEMBLE = 5
REFERENCE = "knn_5"


@dataclass(frozen=True)
class Judged:
    """What one detector of one experiment and seed says of every judged row."""

    experiment: str
    seed: int
    detector: str
    scores: Doubles
    seconds: float


def with_ensembles(networks: Sequence[Judged], seeds: int) -> Iterator[Judged]:
    """RND of each seed, and beside it the mean of ENSEMBLE networks from that seed on.

    networks: of one experiment, seeds 0 to seeds + ENSEMBLE − 2.  Neighbouring ensembles share networks.
    """
    by_seed = {one.seed: one for one in networks}
    for seed in range(seeds):
        members = [by_seed[seed + more] for more in range(ENSEMBLE)]
        yield by_seed[seed]
        scores = np.mean([one.scores for one in members], axis=0)
        yield Judged(members[0].experiment, seed, "rnd_ensemble", scores, sum(one.seconds for one in members))


def results_table(judged: pl.DataFrame, said: Sequence[Judged], encoders: Mapping[str, str]) -> pl.DataFrame:
    """experiment, encoder, seed, detector, novel_set, near, auroc, aupr, fpr95, seconds: a row for each tested set.

    encoders: by experiment.
    """
    near = dict(judged.filter(pl.col("novel").is_not_null()).select("novel", "near").unique().iter_rows())
    rows = [
        {
            "experiment": one.experiment,
            "encoder": encoders[one.experiment],
            "seed": one.seed,
            "detector": one.detector,
            "novel_set": name,
            "near": near[name],
            **figures(*of),
            "seconds": one.seconds,
        }
        for one in said
        for name, of in by_novel_set(judged, one.scores).items()
    ]
    return pl.DataFrame(rows)


def scores_table(judged: pl.DataFrame, said: Sequence[Judged]) -> pl.DataFrame:
    """experiment, seed, id, detector, score of the tested rows."""
    test = judged["part"] == "test"
    ids = judged["id"].filter(test)
    parts = [
        pl.DataFrame({"id": ids, "score": one.scores[test.to_numpy()]}).select(
            pl.lit(one.experiment).alias("experiment"),
            pl.lit(one.seed).alias("seed"),
            "id",
            pl.lit(one.detector).alias("detector"),
            "score",
        )
        for one in said
    ]
    return pl.concat(parts)


def summary(
    judged: pl.DataFrame, said: Sequence[Judged], experiments: Sequence[Experiment], *, resamples: int, seed: int
) -> dict[str, Any]:
    """results.json: by experiment, for each tested set and detector the figures with intervals; the default one."""
    made: dict[str, Any] = {}
    for experiment in experiments:
        scores = by_detector([one for one in said if one.experiment == experiment.name])
        by_set: dict[str, dict[str, list[tuple[Doubles, Doubles]]]] = {}
        for detector, of_seeds in scores.items():
            for of_seed in of_seeds:
                for name, of in by_novel_set(judged, of_seed).items():
                    by_set.setdefault(name, {}).setdefault(detector, []).append(of)
        on_validation = validation_auroc(judged, scores)
        made[experiment.name] = {
            "parameters": experiment.model_dump(mode="json"),
            "default_detector": max(on_validation, key=lambda name: on_validation[name], default=None),
            "validation_auroc": on_validation,
            "novel_sets": {name: intervals(of, REFERENCE, resamples, seed) for name, of in by_set.items()},
        }
    return made


def by_detector(said: Sequence[Judged]) -> dict[str, list[Doubles]]:
    """For each detector the scores of each seed; those that say the same with every seed once."""
    found: dict[str, list[Doubles]] = {}
    for one in said:
        of_seeds = found.setdefault(one.detector, [])
        if not of_seeds or (one.scores != of_seeds[0]).any():
            of_seeds.append(one.scores)
    return found


def validation_auroc(judged: pl.DataFrame, scores: Mapping[str, Sequence[Doubles]]) -> dict[str, float]:
    """For each detector the mean over seeds of its AUROC on validation's rows; nothing without such rows.

    The detector with the highest is the default. Length is left out: it knows nothing of what a text says.
    """
    at = (judged["part"] == "validation").to_numpy()
    new = judged["novel"].is_not_null().to_numpy()[at]
    if new.all() or not new.any():
        return {}
    return {
        name: mean(figures(of[at][~new], of[at][new])["auroc"] for of in of_seeds)
        for name, of_seeds in scores.items()
        if name != "length"
    }
