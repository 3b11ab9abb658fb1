"""What vectors and texts must be like for weights that are found again by id."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.tables import read_table


def check_ids(ids: Sequence[str]) -> None:
    """Raise InputError for an id that a list of one id a line could not hold."""
    for row, name in enumerate(ids):
        if name.splitlines() != [name]:
            raise InputError(
                f"the id {name!r} (row {row + 1}) is empty or has a line break, so sampled_ids.txt, one id a line, "
                "could not hold it. Rename it."
            )


def check_texts(texts: pl.DataFrame, ids: Sequence[str]) -> None:
    """Raise InputError for prompts whose ids are repeated, or none of which has a vector.

    texts: column id.
    """
    repeated = texts["id"].filter(texts["id"].is_duplicated())
    if len(repeated):
        raise InputError(f"the prompts repeat the id {repeated[0]!r}, so they would count twice. Make the ids unique.")
    if texts["id"].is_in(pl.Series(ids).implode()).not_().all():
        raise InputError("None of the prompts has the id of a vector. Give the prompts that the vectors were made of.")


def read_scores(path: Path, ids: Sequence[str]) -> NDArray[np.float64]:
    """A score above 0 for each id, [n], from a Parquet of id and score.

    Raises InputError where an id has none, or one that no weight can be made of.
    """
    table = read_table(path, {"id": pl.String, "score": pl.Float64})
    repeated = table.filter(pl.col("id").is_duplicated() & pl.col("id").is_in(pl.Series(ids).implode()))["id"]
    if len(repeated):
        raise InputError(
            f"{path} has {repeated.n_unique()} ids on several rows, the first {repeated[0]!r}: which score counts? "
            "Each prompt needs one row."
        )
    found = pl.DataFrame({"id": ids}, schema={"id": pl.String}).join(table, on="id", how="left", maintain_order="left")
    bad = found.filter(~(pl.col("score").is_finite() & (pl.col("score") > 0)).fill_null(False))
    if len(bad):
        raise InputError(
            f"{path} has no score above 0 for {len(bad)} of {len(ids)} prompts, the first {bad['id'][0]!r} "
            f"(score {bad['score'][0]}), so they could not be weighed. Each prompt needs one row."
        )
    return found["score"].to_numpy()
