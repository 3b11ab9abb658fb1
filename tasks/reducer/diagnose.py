"""Where a reducer is right, where it errs and how, and whether it knows."""

from collections.abc import Callable, Iterator
from typing import Any

import lambda_gen_rs as lam
import numpy as np
import polars as pl

from tasks.proportions import wilson_interval
from tasks.reducer.answers import ERRORS, Reducer, answered, error_of
from tasks.reducer.buckets import bucket_of, counted, with_prefix
from tasks.reducer.follow import follow

BINS = 10
"""Of confidence, equally wide."""
WORST = 20
LARGEST = 20_000
"""Nodes on the way to a normal form: twice the largest --size-limit that a corpus can have, as its traces may reach."""
KEPT = ("term", "size", "depth", "redex_depth", "prefix", "growth")
Show = Callable[[float], None]


def judged_steps(reducer: Reducer, rows: pl.DataFrame, show: Show = lambda share: None) -> pl.DataFrame:
    """One step of every row: term, next_term (the answer), confidence, error (null: right), what kind of term it is.

    rows: of a corpus, n > 0.
    """
    rows = with_prefix(rows).select(*KEPT, "is_nf")
    terms = rows["term"].to_list()
    found = answered(reducer, terms, show)
    errors = [error_of(term, answer.next_term) for term, answer in zip(terms, found, strict=True)]
    return rows.with_columns(
        next_term=pl.Series([answer.next_term for answer in found], dtype=pl.String),
        confidence=pl.Series([answer.confidence for answer in found], dtype=pl.Float64),
        error=pl.Series(errors, dtype=pl.Enum(ERRORS)),
    ).select("term", "next_term", "confidence", "error", "is_nf", *KEPT[1:])


def judged_wholes(reducer: Reducer, rows: pl.DataFrame, show: Show = lambda share: None) -> pl.DataFrame:
    """Whole reductions of first rows of complete traces: term, reached, taken (steps), said, right, its kind.

    Right is one that ends with the normal form and says so, by whichever steps.
    """
    rows = with_prefix(rows)
    steps = rows["steps_total"].to_list()
    made = follow(reducer, rows["term"].to_list(), steps, show)
    goals = [
        lam.normal_form(term, max_steps=most, max_size=LARGEST)[0]
        for term, most in zip(rows["term"], steps, strict=True)
    ]
    return rows.select(*KEPT, steps=pl.col("steps_total")).with_columns(
        reached=pl.Series([one.reached for one in made], dtype=pl.String),
        taken=pl.Series([one.steps for one in made], dtype=pl.Int64),
        said=pl.Series([one.said for one in made], dtype=pl.Boolean),
        right=pl.Series([one.said and one.reached == goal for one, goal in zip(made, goals, strict=True)]),
    )


def figures(steps: pl.DataFrame, wholes: pl.DataFrame) -> list[dict[str, Any]]:
    """Of tasks `step` (the next term is right), `nf` (whether it is in normal form) and `whole`, by group."""
    normal = steps.with_columns(right=pl.col("next_term").is_null() == pl.col("is_nf"))
    return [*counted("step", steps.with_columns(right=is_right())), *counted("nf", normal), *counted("whole", wholes)]


def is_right() -> pl.Expr:
    """Of rows of `judged_steps`."""
    return pl.col("error").is_null()


def errors(steps: pl.DataFrame) -> dict[str, int]:
    """How often each kind of error was made."""
    found = dict(steps["error"].drop_nulls().value_counts().iter_rows())
    return {kind: found.get(kind, 0) for kind in ERRORS}


def calibration(steps: pl.DataFrame) -> dict[str, Any]:
    """Bins of confidence with what was right in them and its 95 % Wilson interval, and the expected calibration error
    (Guo et al. 2017, eq. 3): the mean over answers of |share right - mean confidence| of their bin.
    """
    bins = np.minimum((steps["confidence"].to_numpy() * BINS).astype(int), BINS - 1)
    groups = (
        steps.select("confidence", right=is_right())
        .group_by(pl.Series("bin", bins))
        .agg(n=pl.len(), confidence=pl.col("confidence").mean(), correct=pl.col("right").mean())
        .sort("bin")
    )
    gap = (groups["correct"] - groups["confidence"]).abs()
    found = groups.drop("bin").to_dicts()
    for one in found:
        one["low"], one["high"] = wilson_interval(one["correct"], one["n"])
    return {"ece": float((gap * groups["n"]).sum() / len(steps)), "bins": found}


def by_size_and_redex_depth(steps: pl.DataFrame) -> dict[tuple[int, int], tuple[int, int]]:
    """(rows, right ones) by numbers of the groups (size, redex depth), of terms that have a redex."""
    groups = (
        steps.select(bucket_of("size").alias("size"), bucket_of("redex_depth").alias("at"), right=is_right())
        .drop_nulls()
        .group_by("size", "at")
        .agg(pl.len(), pl.col("right").sum())
    )
    return {(size, at): (n, right) for size, at, n, right in groups.iter_rows()}


def worst(steps: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The wrong answers of which it was most sure: term, answer, error, confidence, span (null in normal form)."""
    wrong = steps.filter(~is_right()).sort("confidence", descending=True).head(WORST)
    for row in wrong.iter_rows(named=True):
        right = lam.step(row["term"])
        yield {**row, "span": right[1] if right else None, "right": right[0] if right else None}
