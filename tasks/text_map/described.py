"""Documents that this project makes itself: λ-terms, told in words. They need no download and are of many kinds."""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from tasks.tables import read_table
from tasks.text_map.documents import TEXTS

LONGEST = 160
"""Characters of a term that is told of."""
OPENINGS = (
    "The λ-term {term} has {size} nodes",
    "Consider {term}, a closed term of {size} nodes",
    "A tree of {size} nodes stands for {term}",
)


def descriptions(path: Path) -> pl.DataFrame:
    """One document a distinct term of a table of reduction traces, authors empty; the same for the same table."""
    table = read_table(path, {"term": pl.String, "next_term": pl.String, "is_nf": pl.Boolean})
    chosen = table.filter(pl.col("term").str.len_chars() <= LONGEST).unique("term", maintain_order=True)
    rows = [_document(row) for row in chosen.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=TEXTS).unique("document_id", maintain_order=True)


def _document(row: dict[str, Any]) -> dict[str, str]:
    term = row["term"]
    digest = hashlib.sha256(term.encode()).hexdigest()
    binders, applications = term.count("\\."), term.count(")(")
    leading = len(term) - len(term.lstrip("\\."))
    kind = "normal form" if row["is_nf"] else "reducible term"
    inside = f"{_counted(binders, 'binder')} and {_counted(applications, 'compound argument')}"
    title = f"A {kind} of {row['size']} nodes {_shape(leading // 2, binders)}, {row['depth']} deep, with {inside}"
    parts = [
        OPENINGS[int(digest[:2], 16) % len(OPENINGS)].format(term=term, size=row["size"]) + ".",
        f"It is {row['depth']} deep, begins with {_counted(leading // 2, 'abstraction')} and binds "
        f"{_counted(binders, 'variable')} in all.",
        f"Compound arguments follow {_counted(applications, 'bracket')} in it."
        if applications
        else "No compound term is applied to another.",
        "Nothing in it can be contracted: it is its own normal form."
        if row["is_nf"]
        else f"Its leftmost redex contracts to {row['next_term'][:LONGEST]}, "
        f"{_change(len(row['next_term']) - len(term))}.",
    ]
    return {"document_id": f"term-{digest[:16]}", "title": title, "content": " ".join(parts), "authors": ""}


def _shape(leading: int, binders: int) -> str:
    if leading == binders:
        return "with all its abstractions in front"
    return f"that takes {_counted(leading, 'argument')} first" if leading else "that is an application"


def _change(characters: int) -> str:
    if characters == 0:
        return "as long as it was"
    return f"{abs(characters)} characters {'longer' if characters > 0 else 'shorter'}"


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
