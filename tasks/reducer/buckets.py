"""Of what kind a term is: the groups in which correctness is counted."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import polars as pl

from tasks.proportions import wilson_interval

CUTS: Mapping[str, tuple[int, ...]] = {
    "size": (20, 50, 80, 150),
    "depth": (4, 7),
    "redex_depth": (2, 4, 7),
    "prefix": (0, 2),
    "growth": (-1, 0, 10),
    "steps": (5, 20),
}
"""Nodes, edges to the deepest node, edges to the redex, leading λs, nodes that a step adds, steps to the normal form:
each group reaches from above one cut up to the next, that one included."""
ALL = "all"
LEADING = r"^((?:\\\.)*)"


def with_prefix(rows: pl.DataFrame) -> pl.DataFrame:
    """prefix: the number of λs with which a term begins."""
    return rows.with_columns(prefix=pl.col("term").str.extract(LEADING).str.len_bytes() // 2)


def names(by: str) -> list[str]:
    """Of the groups, from below."""
    cuts = CUTS[by]
    inner = [str(high) if high - low == 1 else f"{low}-{high}" for low, high in pairwise(cuts)]
    return [f"<={cuts[0]}", *inner, f">{cuts[-1]}"]


def bucket_of(by: str) -> pl.Expr:
    """The number of a row's group; null where the row has no such figure (a normal form no redex)."""
    value = pl.col(by)
    number = pl.sum_horizontal([(value > cut).cast(pl.Int32) for cut in CUTS[by]])
    return pl.when(value.is_not_null()).then(number)


def grouped(rows: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """(by, bucket, its rows) for all rows and for each group that is not empty, of the figures that they have."""
    yield "overall", ALL, rows
    for by in CUTS:
        if by in rows.columns:
            numbered = rows.with_columns(bucket_of(by).alias("_bucket"))
            for number, name in enumerate(names(by)):
                some = numbered.filter(pl.col("_bucket") == number).drop("_bucket")
                if len(some):
                    yield by, name, some


def counted(task: str, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Correctness of rows (`right`) by group, each with its count and 95 % Wilson interval."""
    found = []
    for by, bucket, some in grouped(rows) if len(rows) else ():
        n, right = len(some), int(some["right"].sum())
        low, high = wilson_interval(right / n, n)
        found.append({"task": task, "by": by, "bucket": bucket, "n": n, "correct": right / n, "low": low, "high": high})
    return found
