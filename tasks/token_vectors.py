"""Tables of token vectors: id (string, unique), hidden (list<fixed_size_list<float>[D]>, one vector a token).

Parquet in row groups of 64 sequences, float32 or float16, its bytes in streams (byte-stream split: the bytes of one
significance together, which zstd can shorten) and zstd 1, without a dictionary. 64 sequences of 80 tokens at D = 2048
are 42 MB of float32 in memory and 36 MB on disk. Nobody holds more than a few row groups: what is written and read
comes in a stream.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.tables import Floats

TokenDtype = Literal["float32", "float16"]
SEQUENCES_A_GROUP = 64
PAGE = 1 << 20
"""Values: larger pages are shorter than Parquet's own of 256 k by 1 %, and no slower to write."""
READ_BYTES = 1 << 20
LEAF = "hidden.list.element.list.element"
FLOATS = (pa.float16(), pa.float32(), pa.float64())


@dataclass(frozen=True)
class Tokens:
    """n sequences of token vectors, one after the other."""

    ids: list[str]  # n
    lengths: NDArray[np.int64]  # [n], tokens of each
    vectors: Floats  # [sum of lengths, D]

    def take(self, rows: list[int], ids: list[str]) -> "Tokens":
        """These rows, in this order and under these ids; all of them in order are not copied."""
        if rows == list(range(len(self.ids))):
            return Tokens(ids, self.lengths, self.vectors)
        ends = np.cumsum(self.lengths)
        pieces = [self.vectors[ends[row] - self.lengths[row] : ends[row]] for row in rows]
        return Tokens(ids, self.lengths[rows], np.concatenate([self.vectors[:0], *pieces]))


def write_tokens(path: Path, groups: Iterable[Tokens], dim: int, dtype: TokenDtype = "float32") -> int:
    """Write sequences, given in groups of any size, in row groups of 64; returns how many.

    dim: D.  Raises InputError for a value that is not finite in dtype.
    """
    rows = 0
    with token_writer(path, dim, dtype) as write:
        for group in groups:
            write(group)
            rows += len(group.ids)
    return rows


@contextmanager
def token_writer(path: Path, dim: int, dtype: TokenDtype = "float32") -> Iterator[Callable[[Tokens], None]]:
    """Within it, a function that writes sequences: for several files at once. Raises as `write_tokens` does."""
    hidden = pa.list_(pa.list_(pa.float32() if dtype == "float32" else pa.float16(), dim))
    schema = pa.schema([("id", pa.string()), ("hidden", hidden)])
    waiting: list[pa.RecordBatch] = []

    def write(group: Tokens) -> None:
        nonlocal waiting
        if (row := first_beyond(group, dtype)) is not None:
            raise InputError(
                f"{group.ids[row]!r} has a value that {dtype} cannot hold, so it could not be read again. "
                + ("Write float32." if dtype == "float16" else "See what made it, or leave it out on both sides.")
            )
        values = pa.array(group.vectors.astype(dtype, copy=False).reshape(-1))
        offsets = pa.array(np.concatenate([[0], np.cumsum(group.lengths)]), pa.int32())
        lists = pa.ListArray.from_arrays(offsets, pa.FixedSizeListArray.from_arrays(values, dim))
        waiting.append(pa.record_batch([pa.array(group.ids, pa.string()), lists], schema=schema))
        table = pa.Table.from_batches(waiting)
        whole = len(table) - len(table) % SEQUENCES_A_GROUP
        if whole:
            out.write_table(table.slice(0, whole), row_group_size=SEQUENCES_A_GROUP)
            waiting = table.slice(whole).to_batches()

    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        use_byte_stream_split=[LEAF],
        write_statistics=["id"],
        write_batch_size=PAGE,
        data_page_size=4 * PAGE,
    ) as out:
        yield write
        if waiting:
            out.write_table(pa.Table.from_batches(waiting))


def first_beyond(group: Tokens, dtype: TokenDtype) -> int | None:
    """The first sequence with a value that is not finite in dtype; None where there is none."""
    largest = float(np.finfo(dtype).max)
    if not len(group.vectors) or (group.vectors.max() <= largest and group.vectors.min() >= -largest):
        return None
    within = (np.abs(group.vectors) <= largest).all(axis=1)
    return int(np.searchsorted(np.cumsum(group.lengths), int(np.argmin(within)), side="right"))


def read_tokens(path: Path, dim: int | None = None) -> Iterator[Tokens]:
    """Sequences in groups of 64 at most, in the file's order, as float32; lists of any floats of one size will do.

    dim: the D that is wanted, where one is.  Raises InputError, naming the row or id: for a file that is no Parquet, a
    column that is missing or of another type, no rows, an id that is null or came before, a sequence without tokens,
    vectors of another or no size, and values that are null or not finite.
    """
    seen: set[str] = set()
    size = dim
    with _opened(path) as file:
        for batch in file.iter_batches(SEQUENCES_A_GROUP, columns=["id", "hidden"], use_threads=False):
            ids = _ids(batch.column("id"), len(seen), path)
            group = _tokens(ids, batch.column("hidden"), size, path)
            for name in ids:
                if name in seen:
                    raise InputError(
                        f"{path}: id {name!r} stands on two rows, so a sequence could not be found by its id. Make the "
                        "ids unique."
                    )
                seen.add(name)
            size = group.vectors.shape[1]
            yield group
    if not seen:
        raise InputError(f"{path} holds no rows. Give at least one sequence of token vectors.")


def token_sizes(path: Path) -> tuple[int, int, int]:
    """Rows, tokens and D, from the file's own figures; rows that `read_tokens` refuses may put tokens wrong."""
    with _opened(path) as file:
        about = file.metadata
        inner = file.schema_arrow.field("hidden").type.value_type
        dim = inner.list_size if pa.types.is_fixed_size_list(inner) else next(read_tokens(path)).vectors.shape[1]
        [leaf] = [at for at in range(about.num_columns) if about.schema.column(at).path.startswith("hidden.")]
        values = sum(about.row_group(group).column(leaf).num_values for group in range(about.num_row_groups))
    return about.num_rows, values // dim, dim


def token_dtype(path: Path) -> TokenDtype:
    """The numbers in which a table holds its vectors: float16, or float32, in which all others are read."""
    with _opened(path) as file:
        numbers = file.schema_arrow.field("hidden").type.value_type.value_type
    return "float16" if pa.types.is_float16(numbers) else "float32"


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A file with the columns id and hidden, read in small pieces. Errors of reading become InputErrors."""
    try:
        with pq.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False) as file:
            schema = file.schema_arrow
            if missing := {"id", "hidden"} - set(schema.names):
                raise InputError(
                    f"{path} has no column {min(missing)}, but {', '.join(schema.names) or 'none'}. Give a table of "
                    "token vectors, with id and hidden."
                )
            if not _are_vectors(schema.field("hidden").type):
                raise InputError(
                    f"{path}: hidden is {schema.field('hidden').type}, but a list of token vectors is needed "
                    "(list<fixed_size_list<float32>[D]>). Make it with flows.embed --tokens or flows.random_pairs."
                )
            yield file
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet with id and hidden ({error}). Check the file, or make it again."
        ) from None


def _are_vectors(kind: Any) -> bool:
    return _is_list(kind) and _is_list(kind.value_type) and kind.value_type.value_type in FLOATS


def _is_list(kind: Any) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _ids(column: pa.Array, before: int, path: Path) -> list[str]:
    """before: rows of the file before these."""
    if column.null_count:
        row = before + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"{path}: row {row + 1} has no id, so its vectors could not be found again. Give it one.")
    return cast(list[str], column.cast(pa.string()).to_pylist())


def _tokens(ids: list[str], hidden: pa.Array, dim: int | None, path: Path) -> Tokens:
    lengths = np.asarray(hidden.value_lengths().fill_null(0), dtype=np.int64)
    if (lengths < 1).any():
        name = ids[int(np.argmax(lengths < 1))]
        raise InputError(f"{path}: {name!r} has no token vectors. Embed it again, or leave it out on both sides.")
    vectors = hidden.flatten()

    def owner(token: int) -> str:
        return ids[int(np.searchsorted(np.cumsum(lengths), token, side="right"))]

    sizes = np.asarray(vectors.value_lengths().fill_null(0))
    wanted = int(sizes[0]) if dim is None else dim
    if wanted < 1 or (sizes != wanted).any():
        wrong = int(np.argmax((sizes != wanted) | (sizes < 1)))
        raise InputError(
            f"{path}: {owner(wrong)!r} has a token vector of {sizes[wrong] or 'no'} numbers, where {max(1, wanted)} "
            "are needed. Give the hidden dimension that the file has, or embed again with one model."
        )
    leaves = vectors.flatten()
    floats = leaves.fill_null(np.nan) if leaves.null_count else leaves
    with np.errstate(over="ignore"):  # what float32 cannot hold is found below
        found: Floats = floats.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, wanted)
    if not (np.isfinite(found.max()) and np.isfinite(found.min())):
        wrong = int(np.argmin(np.isfinite(found).all(axis=1)))
        raise InputError(
            f"{path}: a token vector of {owner(wrong)!r} is not finite (NaN, infinity or null). Embed it again, "
            "or leave it out on both sides."
        )
    return Tokens(ids, lengths, found)
