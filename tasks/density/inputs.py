"""What vectors and texts must be like for weights that are found again by id."""

from collections.abc import Sequence

import polars as pl

from tasks.errors import InputError


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
