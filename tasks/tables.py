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
PROMPTS = {"id": pl.String, "prompt": pl.String, "source": pl.String, "count": pl.Int64}
WEIGHTS = {"id": pl.String, "density": pl.Float64, "weight": pl.Float64}

Floats = NDArray[np.float32]


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
    """Write id, emb (FixedSizeList<float32>[D]). ids: n unique.  emb: [n, D]."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(emb.astype(np.float32).ravel()), emb.shape[1])
    pq.write_table(pa.table({"id": pa.array(ids, pa.string()), "emb": vectors}), path, compression="zstd")


def read_embeddings(path: Path) -> tuple[list[str], Floats]:
    """Read ids and [n, D] float32. Raises InputError on another shape, a repeated id or a value that is not finite."""
    try:
        table = pq.read_table(path, columns=["id", "emb"]).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} holds no columns id and emb ({error}). Give an embeddings.parquet.") from None
    kind = table.schema.field("emb").type
    if not pa.types.is_fixed_size_list(kind):
        raise InputError(f"{path}: emb is {kind}, but vectors of one fixed size are needed (FixedSizeList<float32>).")
    ids = table["id"].cast(pa.string()).to_pylist()
    column = table["emb"].combine_chunks()
    emb = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(ids), kind.list_size)
    if len(set(ids)) != len(ids):
        raise InputError(f"{path} repeats ids, so a row could not be found by its id. Make the ids unique.")
    if not np.isfinite(emb).all():
        row = int(np.argmin(np.isfinite(emb).all(axis=1)))
        raise InputError(f"{path}: the vector of {ids[row]!r} is not finite. Embed that row again or leave it out.")
    return ids, emb
