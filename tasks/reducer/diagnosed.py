"""A diagnosis, or a comparison of two, as files in a folder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lambda_gen_rs as lam
import polars as pl

from tasks.errors import InputError, first_line
from tasks.reducer.compare import compared
from tasks.reducer.corpus import drawn_evenly
from tasks.reducer.diagnose import (
    by_size_and_redex_depth,
    calibration,
    errors,
    figures,
    is_right,
    judged_steps,
    judged_wholes,
    worst,
)
from tasks.reducer.folder import load_reducer
from tasks.reducer.params import DiagnosisParams
from tasks.reducer.report import calibration_picture, comparison, comparison_picture, heatmap, page
from tasks.runtime import device, torch_threads

PREDICTIONS, REDUCTIONS = "predictions.parquet", "reductions.parquet"
STEPS_SHARE = 0.5
"""Of the work, for showing how far it is."""


def diagnose(
    out: Path, model: Path, rows: Path, params: DiagnosisParams, show: Callable[[float], None]
) -> tuple[dict[str, Any], str]:
    """Judge a model on a split's rows; returns diagnosis.json and diagnosis.md.

    Raises InputError where one of them is no well-formed term.
    """
    reducer = load_reducer(model)
    reducer.to(device())
    drawn = drawn_evenly(rows, params.rows, params.seed)
    first = (pl.col("step_k") == 0) & pl.col("complete") & (pl.col("steps_total") > 0)
    roots = drawn_evenly(rows, params.traces, params.seed, where=first)
    try:
        with torch_threads():
            steps = judged_steps(reducer, drawn, lambda share: show(STEPS_SHARE * share))
            wholes = judged_wholes(reducer, roots, lambda share: show(STEPS_SHARE + (1 - STEPS_SHARE) * share))
    except lam.LambdaError as error:
        raise InputError(f"{rows} has a row that is no term ({error}). Make the corpus again.") from None
    made: dict[str, Any] = {"rows": figures(steps, wholes), "errors": errors(steps), "calibration": calibration(steps)}
    said = page(made, worst(steps), f"{len(steps)} rows and {len(wholes)} whole reductions.")
    steps.write_parquet(out / PREDICTIONS)
    wholes.write_parquet(out / REDUCTIONS)
    (out / "diagnosis.json").write_text(json.dumps(made, indent=1))
    (out / "diagnosis.md").write_text(said)
    (out / "heatmap.svg").write_text(heatmap(by_size_and_redex_depth(steps)))
    (out / "calibration.svg").write_text(calibration_picture(made["calibration"]["bins"]))
    return made, said


def compare(out: Path, first: Path, second: Path, names: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Compare two diagnoses; returns comparison.json's rows and comparison.md."""
    folders = (first, second)
    steps = [_read(folder / PREDICTIONS, ("term", "next_term", "is_nf", "error")) for folder in folders]
    wholes = [_read(folder / REDUCTIONS, ("term", "right")) for folder in folders]
    judged = [one.with_columns(right=is_right()) for one in steps]
    normal = [one.with_columns(right=pl.col("next_term").is_null() == pl.col("is_nf")) for one in steps]
    rows = [*compared("step", *judged), *compared("nf", *normal), *compared("whole", *wholes)]
    said = comparison(rows, *names)
    (out / "comparison.json").write_text(json.dumps({"a": names[0], "b": names[1], "rows": rows}, indent=1))
    (out / "comparison.md").write_text(said)
    (out / "comparison.svg").write_text(comparison_picture(rows))
    return rows, said


def _read(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    try:
        read = pl.read_parquet(path)
        read.select(columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{path} cannot be read ({first_line(error)}), so there is nothing to compare. Give two folders "
            "that --out named in runs of --until diagnose."
        ) from None
    return read
