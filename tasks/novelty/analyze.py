"""A batch of experiments from its stored scores to tables, pictures and a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.novelty.params import Experiment
from tasks.novelty.pictures import pictures
from tasks.novelty.report import examples, write_page
from tasks.novelty.results import (
    ENSEMBLE,
    Judged,
    results_table,
    scores_table,
    summary,
    with_ensembles,
)

Doubles = NDArray[np.float64]
FALLBACK = "gp_rnd"
"""Shown where no validation rows are left to choose a detector by."""


@dataclass(frozen=True)
class Batch:
    """What every detector of every experiment and seed said."""

    experiments: list[Experiment]
    said: list[Judged]
    losses: dict[str, list[Doubles]]
    judged: pl.DataFrame
    texts: dict[str, str]


def read_batch(
    experiments: Sequence[Experiment],
    keys: Sequence[str],
    networks: Sequence[Path],
    others: Sequence[Path],
    split: Path,
    seeds: int,
) -> Batch:
    """Put stored scores together. keys: of the networks, seeds + ENSEMBLE − 1 an experiment.  others: one each."""
    trained = pl.concat([pl.read_parquet(path) for path in networks])
    rows = {row["key"]: row for row in trained.iter_rows(named=True)}
    each = seeds + ENSEMBLE - 1
    said: list[Judged] = []
    losses: dict[str, list[Doubles]] = {}
    for at, experiment in enumerate(experiments):
        mine = [rows[key] for key in keys[at * each :][:each]]
        losses[experiment.name] = [np.array(row["losses"]) for row in mine[:seeds]]
        by_rnd = [
            Judged(experiment.name, seed, "rnd", np.array(row["scores"]), row["seconds"])
            for seed, row in enumerate(mine)
        ]
        said += with_ensembles(by_rnd, seeds)
        said += [
            Judged(experiment.name, row["seed"], row["detector"], np.array(row["scores"]), row["seconds"])
            for row in pl.read_parquet(others[at]).iter_rows(named=True)
        ]
    texts = dict(pl.read_parquet(split / "problems.parquet").select("id", "problem").iter_rows())
    return Batch(list(experiments), said, losses, pl.read_parquet(split / "judged.parquet"), texts)


def analyze_and_visualize(
    batch: Batch, out: Path, notes: Sequence[str] = (), *, resamples: int = 1000, seed: int = 0
) -> pl.DataFrame:
    """Write results.parquet, results.json, scores.parquet, novelty.parquet, report.html, the pictures and the most
    novel and most familiar rows as text; return the first of them.

    novelty.parquet holds id, score (a rank) of the tested rows by the first experiment's default detector, as do the
    pictures of single rows, with seed 0.
    """
    encoders = {one.name: one.encoder_name for one in batch.experiments}
    results = results_table(batch.judged, batch.said, encoders)
    found = summary(batch.judged, batch.said, batch.experiments, resamples=resamples, seed=seed)
    first = batch.experiments[0].name
    detector = found[first]["default_detector"] or FALLBACK
    ranks = {
        one.detector: pl.Series(one.scores).rank("average") / len(one.scores)
        for one in batch.said
        if one.experiment == first and one.seed == 0
    }
    beside = detector if detector != "knn_5" else "rnd_ensemble"
    rows = batch.judged.with_columns(
        score=ranks[detector],
        knn_5=ranks["knn_5"],
        beside=ranks[beside],
        characters=pl.Series([len(batch.texts[name]) for name in batch.judged["id"]]),
    ).filter(part="test")
    drawn = pictures(first, batch.losses, rows, found, detector, beside)
    shown = examples(rows, batch.texts)
    results.write_parquet(out / "results.parquet")
    (out / "results.json").write_text(json.dumps(found, indent=1))
    scores_table(batch.judged, batch.said).write_parquet(out / "scores.parquet")
    rows.select("id", "score").write_parquet(out / "novelty.parquet")
    for name, picture in drawn.items():
        (out / name).write_text(picture)
    (out / "precomp_examples.json").write_text(json.dumps(shown, indent=1, ensure_ascii=False))
    page = write_page(results, found, shown, drawn, notes)
    (out / "report.html").write_text(page)
    return results
