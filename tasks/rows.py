"""Rows of JSONL, Parquet and CSV files, each with its number, also where it cannot be read.

Bytes that are not UTF-8 come through as lone surrogates, so that the row can be named and refused. Lines of white
space in JSONL are no rows.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import InputError

LONGEST_FIELD = 2**31 - 1


@dataclass(frozen=True)
class Met:
    """A row as it was met: where, and its columns, or why it has none."""

    where: str
    number: int
    row: Mapping[str, Any] | None
    problem: str = ""


def read_rows(path: Path, shown: str, columns: Collection[str]) -> Iterator[Met]:
    """Every row of a file, in order. shown: the file's name in messages.  columns: those that are read of Parquet.

    Raises InputError where the file as a whole is unreadable or of an unknown kind.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    readers = {
        ".jsonl": lambda: _jsonl(path, shown),
        ".ndjson": lambda: _jsonl(path, shown),
        ".csv": lambda: _csv(path, shown),
        ".parquet": lambda: _parquet(path, shown, columns),
    }
    if kind not in readers or path.is_dir():
        raise InputError(f"{shown} is of no known kind. Give .jsonl, .jsonl.gz, .parquet or .csv.")
    try:
        yield from readers[kind]()
    except (OSError, EOFError, zlib.error, csv.Error, pa.ArrowException, ValueError, OverflowError) as error:
        raise InputError(f"{shown} cannot be read to its end ({error}). Check the file, or make it again.") from None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _jsonl(path: Path, shown: str) -> Iterator[Met]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape"))
            except (ValueError, RecursionError) as error:
                yield Met(f"{shown} line", number, None, f"it is no JSON ({error})")
                continue
            whole = isinstance(row, dict)
            yield Met(f"{shown} line", number, row if whole else None, "" if whole else "it is no JSON object")


def _csv(path: Path, shown: str) -> Iterator[Met]:
    csv.field_size_limit(LONGEST_FIELD)
    with _open(path) as file:
        lines = (line.decode("utf-8", errors="surrogateescape") for line in file)
        rows = csv.reader(lines, strict=True)
        names = [name.removeprefix("\ufeff").strip() for name in next(rows, [])]
        if twice := sorted({name for name in names if name and names.count(name) > 1}):
            raise InputError(f"{shown} has two columns {twice[0]!r}, so one of them would be lost. Rename one.")
        before = rows.line_num
        for cells in rows:
            first, before = before + 1, rows.line_num
            if len(cells) == len(names):
                yield Met(f"{shown} line", first, dict(zip(names, cells, strict=True)))
            else:
                yield Met(f"{shown} line", first, None, f"it has {len(cells)} cells, and the header {len(names)}")


def _parquet(path: Path, shown: str, columns: Collection[str]) -> Iterator[Met]:
    number = 0
    with pq.ParquetFile(path) as file:
        read = [name for name in file.schema_arrow.names if name in columns]
        if len(set(read)) < len(read):
            raise InputError(f"{shown} has two columns of one name among {', '.join(read)}. Rename one.")
        if not read:
            raise InputError(
                f"{shown} has the columns {', '.join(file.schema_arrow.names)}; none of them is read. Rename what is "
                f"meant to be one of {', '.join(columns)}."
            )
        for batch in file.iter_batches(columns=read):
            values = {name: _values(batch.column(name)) for name in batch.schema.names}
            for row in zip(*values.values(), strict=True):
                number += 1
                yield Met(f"{shown} row", number, dict(zip(values, row, strict=True)))


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        raw = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", errors="surrogateescape") for value in raw]
    return column.to_pylist()
