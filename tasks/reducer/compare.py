"""Two reducers on the same terms: what one gained over the other, by group."""

import math
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.proportions import Z
from tasks.reducer.buckets import grouped


def paired_difference(both: int, gained: int, lost: int, neither: int) -> tuple[float, float, float]:
    """Share right of the second less the first, and its 95 % interval, of cases that both answered.

    Wald's interval with half a case added to each of the four cells (Agresti & Min 2005), which covers at small counts
    and is not of width 0 where the two never differ. The difference is the plain one.
    """
    n = both + gained + lost + neither + 2
    gained_, lost_ = gained + 0.5, lost + 0.5
    middle = (gained_ - lost_) / n
    half = Z * math.sqrt(gained_ + lost_ - (gained_ - lost_) ** 2 / n) / n
    return (gained - lost) / (n - 2), max(-1.0, middle - half), min(1.0, middle + half)


def compared(task: str, one: pl.DataFrame, other: pl.DataFrame) -> list[dict[str, Any]]:
    """By group: shares right of both, and the difference, other - one, with its interval.

    one, other: term, right and the figures of the same terms. Raises InputError where they are of other terms.
    """
    one, other = (of.with_columns(nth=pl.int_range(pl.len()).over("term")) for of in (one, other))
    theirs = other.select("term", "nth", theirs="right")
    joined = one.join(theirs, on=["term", "nth"], how="inner", maintain_order="left").drop("nth")
    if not len(one) == len(other) == len(joined):
        raise InputError(
            f"The two were diagnosed on different terms ({len(one)} and {len(other)} for {task}, {len(joined)} in "
            "common), so that their difference would be of the terms too. Diagnose both on the same --data with the "
            "same numbers of rows and traces, and the same seed."
        )
    found = []
    for by, bucket, rows in grouped(joined) if len(joined) else ():
        first, second = rows["right"], rows["theirs"]
        cells = [int(cell.sum()) for cell in (first & second, ~first & second, first & ~second, ~first & ~second)]
        difference, low, high = paired_difference(*cells)
        shares = {"a": first.mean(), "b": second.mean()}
        found.append(
            {"task": task, "by": by, "bucket": bucket, "n": len(rows), **shares}
            | {"difference": difference, "low": low, "high": high}
        )
    return found
