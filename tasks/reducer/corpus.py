"""Corpora of `flows.lambda_terms`: their splits, row groups, and what must not be trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import InputError

Split = Literal["train", "val", "test"]
COLUMNS = {
    "term": pl.String,
    "next_term": pl.String,
    "target_span": pl.Struct({"start": pl.Int32, "end": pl.Int32}),
    "is_nf": pl.Boolean,
    "step_k": pl.Int32,
    "steps_total": pl.Int32,
    "complete": pl.Boolean,
    "depth": pl.Int32,
    "size": pl.Int32,
    "redex_depth": pl.Int32,
    "growth": pl.Int32,
}
LEARNT = ("term", "next_term", "target_span", "is_nf")


@dataclass(frozen=True)
class Group:
    """A row group of a part."""

    part: Path
    number: int
    rows: int


def parts(folder: Path) -> list[Path]:
    """The Parquet files of one split's folder, by name. Raises InputError where it holds none."""
    found = sorted(folder.glob("*.parquet"))
    if not found:
        other = " It holds JSON lines: make the corpus with --format parquet." if any(folder.glob("*.jsonl")) else ""
        raise InputError(
            f"{folder} holds no rows of flows.lambda_terms (*.parquet), so there is nothing to read.{other} Give the "
            "folder of a corpus (with train, val and test), or of one split of it to diagnose on."
        )
    return found


def row_groups(folder: Path) -> list[Group]:
    """All row groups of a split, none of which is read yet."""
    found = []
    for part in parts(folder):
        _require_columns(part)
        with pq.ParquetFile(part) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        found += [Group(part, number, rows) for number, rows in enumerate(sizes) if rows]
    return found


def read_groups(groups: Iterable[Group], columns: Sequence[str] = LEARNT) -> pl.DataFrame:
    """Rows of row groups, in their order. Raises InputError where one cannot be read."""
    read = []
    for group in groups:
        try:
            with pq.ParquetFile(group.part) as file:
                read.append(file.read_row_group(group.number, columns=list(columns)))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{group.part} cannot be read ({error}). Make the corpus again.") from None
    table = pl.from_arrow(pa.concat_tables(read))
    assert isinstance(table, pl.DataFrame)
    return table


def read_split(folder: Path, columns: Sequence[str] = tuple(COLUMNS)) -> pl.DataFrame:
    """All rows of a split's folder: a test set, which is small."""
    return read_groups(row_groups(folder), columns)


def judged_terms(corpora: Sequence[Path]) -> pl.DataFrame:
    """term: inputs of val and test of all corpora, each once, which no model may learn from."""
    folders = [corpus / split for corpus in corpora for split in ("val", "test") if (corpus / split).is_dir()]
    terms = [read_groups(row_groups(folder), ["term"]) for folder in folders if any(folder.glob("*.parquet"))]
    return pl.concat(terms).unique() if terms else pl.DataFrame(schema={"term": pl.String})


def without(rows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Rows whose term and next term are both not judged, in their order."""
    kept = rows.join(judged, on="term", how="anti", maintain_order="left")
    return kept.join(judged.rename({"term": "next_term"}), on="next_term", how="anti", maintain_order="left")


def _require_columns(part: Path) -> None:
    try:
        schema = pl.read_parquet_schema(part)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{part} is no readable Parquet file ({error}). Make the corpus again.") from None
    wrong = [
        f"{name} ({schema.get(name, 'missing')}, not {kind})" for name, kind in COLUMNS.items() if schema.get(name) != kind
    ]
    if wrong:
        raise InputError(f"{part} is not of flows.lambda_terms: {', '.join(wrong)}. Give a corpus that it made.")
