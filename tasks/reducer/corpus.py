"""Corpora of `flows.lambda_terms`: their splits, row groups, and what must not be trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import InputError

Doubles = NDArray[np.float64]
COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
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
    """Rows of row groups, in their order; none of no groups. Raises InputError where one cannot be read."""
    read = []
    for group in groups:
        try:
            with pq.ParquetFile(group.part) as file:
                read.append(pl.DataFrame(file.read_row_group(group.number, columns=list(columns))))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{group.part} cannot be read ({error}). Make the corpus again.") from None
    return pl.concat(read) if read else pl.DataFrame(schema={name: COLUMNS[name] for name in columns})


def drawn_evenly(folder: Path, most: int, seed: int, where: pl.Expr | None = None) -> pl.DataFrame:
    """All rows of a split's folder, or so many of them by lot, in their order. where: of which rows.

    One row group at a time is in memory, and the rows that are kept.
    """
    groups = row_groups(folder)
    if not groups:
        return read_groups([], tuple(COLUMNS))
    order = np.random.default_rng([seed, 3])
    kept: list[pl.DataFrame] = []
    keys: list[Doubles] = []
    for group in groups:
        rows = read_groups([group], tuple(COLUMNS))
        rows = rows if where is None else rows.filter(where)
        keys.append(order.random(len(rows)))
        kept.append(rows)
        if sum(map(len, kept)) > 2 * most + 100_000:
            kept, keys = _least(kept, keys, most)
    kept, _ = _least(kept, keys, most)
    return pl.concat(kept)


def _least(kept: list[pl.DataFrame], keys: list[Doubles], most: int) -> tuple[list[pl.DataFrame], list[Doubles]]:
    """The rows of the least keys, in their order."""
    rows, lots = pl.concat(kept), np.concatenate(keys)
    chosen = np.sort(np.argsort(lots, kind="stable")[:most])
    return [rows[chosen]], [lots[chosen]]


def judged_terms(folders: Sequence[Path]) -> pl.DataFrame:
    """term: inputs of val and test of corpora, each once, which no model may learn from.

    folders: of corpora; or of single splits, all of which are meant then.
    """
    groups = [group for folder in folders for split in judged_splits(folder) for group in row_groups(split)]
    return read_groups(groups, ["term"]).unique()


def judged_splits(folder: Path) -> list[Path]:
    """Those of val and test that hold rows; the folder itself where it is no corpus, but a split."""
    splits = [folder / "val", folder / "test"] if _is_corpus(folder) else [folder]
    return [split for split in splits if any(split.glob("*.parquet"))]


def _is_corpus(folder: Path) -> bool:
    return any((folder / split).is_dir() for split in ("train", "val", "test"))


def require_judged(folder: Path) -> None:
    """Raise InputError where a folder has no rows of flows.lambda_terms to be kept out of a training."""
    if not any(row_groups(split) for split in judged_splits(folder)):
        raise InputError(
            f"{folder} holds no val or test rows of flows.lambda_terms (*.parquet), so that --exclude would keep "
            "nothing out of the training. Give the folder of a corpus, or of one split of it."
        )


def without(rows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Rows whose term and next term are both not judged, in their order."""
    kept = rows.join(judged, on="term", how="anti", maintain_order="left")
    return kept.join(judged.rename({"term": "next_term"}), on="next_term", how="anti", maintain_order="left")


def require_corpus(folder: Path) -> None:
    """Raise InputError where a folder has no train split with rows of flows.lambda_terms."""
    if not row_groups(folder / "train"):
        raise InputError(f"{folder / 'train'} has no rows to learn from. Make the corpus with more --examples.")


def rows_folder(folder: Path) -> Path:
    """Where rows to be judged lie: a corpus' test split, or the folder itself. Raises InputError where none do."""
    found = folder / "test" if _is_corpus(folder) else folder
    if not row_groups(found):
        raise InputError(f"{found} has no rows to diagnose on: make the corpus with a --test-share.")
    return found


def _require_columns(part: Path) -> None:
    try:
        schema = pl.read_parquet_schema(part)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{part} is no readable Parquet file ({error}). Make the corpus again.") from None
    wrong = [
        f"{name} ({schema.get(name, 'missing')}, not {kind})"
        for name, kind in COLUMNS.items()
        if schema.get(name) != kind
    ]
    if wrong:
        raise InputError(f"{part} is not of flows.lambda_terms: {', '.join(wrong)}. Give a corpus that it made.")
