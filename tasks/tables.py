"""The tables that stages exchange: their columns, read and written in one place."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import InputError

PAIRS = {
    "id": pl.String,
    "source": pl.String,
    "prompt": pl.String,
    "chosen": pl.String,
    "rejected": pl.String,
    "split": pl.String,
}
WRITERS = {"model_chosen": pl.String, "model_rejected": pl.String}
PROMPTS = {"id": pl.String, "prompt": pl.String, "source": pl.String, "count": pl.Int64}
WEIGHTS = {"id": pl.String, "density": pl.Float64, "weight": pl.Float64}

Floats = NDArray[np.float32]
ROWS_A_GROUP = 65_536


def read_table(path: Path, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Read a Parquet table. Raises InputError where it is not Parquet or a column is missing or of another type."""
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file ({error}). Make it again or give another.") from None
    wrong = [
        f"{name} ({table.schema.get(name, 'missing')}, not {kind})"
        for name, kind in columns.items()
        if table.schema.get(name) != kind
    ]
    if wrong:
        raise InputError(
            f"{path} lacks what this step reads: {', '.join(wrong)}. Columns needed: {', '.join(columns)}."
        )
    return table


def write_embeddings(path: Path, ids: list[str], emb: Floats) -> None:
    """Write id, emb (FixedSizeList<float32>[D]). ids: n unique.  emb: [n, D].

    One form for every size: a million vectors of 384 are written in 8 s and read in 4 s, 1.43 GB; as float16 .npy it
    was 1.6 s, 3 s and 0.77 GB, little beside the 20 minutes that encoding them takes.
    """
    schema = pa.schema([("id", pa.string()), ("emb", pa.list_(pa.float32(), emb.shape[1]))])
    with pq.ParquetWriter(path, schema, compression="zstd") as out:
        for start in range(0, max(1, len(ids)), ROWS_A_GROUP):
            block = np.ascontiguousarray(emb[start : start + ROWS_A_GROUP], dtype=np.float32)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), emb.shape[1])
            names = pa.array(ids[start : start + ROWS_A_GROUP], pa.string())
            out.write_table(pa.table([names, vectors], schema=schema))


def read_embeddings(path: Path) -> tuple[list[str], Floats]:
    """Read ids and [n, D] float32. Raises InputError on another shape, a repeated id or a value that is not finite."""
    try:
        with pq.ParquetFile(path) as file:
            ids, emb = _read_groups(file, path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as columns id and emb, vectors of numbers ({error}). Give an embeddings.parquet."
        ) from None
    if len(set(ids)) != len(ids):
        raise InputError(f"{path} repeats ids, so a row could not be found by its id. Make the ids unique.")
    for start in range(0, len(emb), ROWS_A_GROUP):
        finite = np.isfinite(emb[start : start + ROWS_A_GROUP]).all(axis=1)
        if not finite.all():
            row = start + int(np.argmin(finite))
            raise InputError(f"{path}: the vector of {ids[row]!r} is not finite. Embed that row again or leave it out.")
    return ids, emb


def _read_groups(file: pq.ParquetFile, path: Path) -> tuple[list[str], Floats]:
    schema = file.schema_arrow
    missing = {"id", "emb"} - set(schema.names)
    if missing:
        raise InputError(f"{path} has no column {min(missing)}. Give an embeddings.parquet, with id and emb.")
    emb: Floats | None = None
    ids: list[str] = []
    for batch in file.iter_batches(ROWS_A_GROUP, columns=["id", "emb"]):
        block = _of_one_size(batch.column("emb"), None if emb is None else emb.shape[1], len(ids), path)
        emb = np.empty((file.metadata.num_rows, block.shape[1]), dtype=np.float32) if emb is None else emb
        emb[len(ids) : len(ids) + len(batch)] = block
        names = batch.column("id").cast(pa.string())
        if names.null_count:
            row = len(ids) + int(np.argmax(names.is_null().to_numpy(zero_copy_only=False)))
            raise InputError(f"{path}: row {row + 1} has no id, so its vector could not be found again. Give it one.")
        ids += names.to_pylist()
    if emb is None:
        raise InputError(f"{path} holds no rows. Give at least one vector.")
    return ids, emb


def _of_one_size(column: pa.Array, size: int | None, before: int, path: Path) -> Floats:
    """A column of lists as [n, size]. before: rows of the file before these."""
    kind = column.type
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise InputError(f"{path}: emb is {kind}, but vectors of one fixed size are needed (FixedSizeList<float32>).")
    sizes = np.array(column.value_lengths().fill_null(-1))
    wanted = sizes[0] if size is None else size
    if wanted < 1 or (sizes != wanted).any():
        row = int(np.argmax((sizes != wanted) | (sizes < 1)))
        raise InputError(
            f"{path}: row {before + row + 1} has {'no vector' if sizes[row] < 1 else f'{sizes[row]} numbers'}, where "
            f"{max(1, wanted)} are needed. Embed it again or leave it out."
        )
    return column.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False).reshape(len(column), -1)
