"""Writing and reading token vectors. Bars at 2,000 sequences × ~80 tokens × 2,048: CPU seconds ≤ 1.3 times those of
pyarrow's own write of the same float32 uncompressed; memory ≤ 1 GB; size ≤ 0.55 of lists of doubles as pyarrow writes
them.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.token_vectors import Tokens, read_tokens, write_tokens
from tests.bench.measure import python

SEQUENCES = 2_000
GROUP = 64
DIM = 2048
REPEATS = 5
FILE = "tokens.parquet"
STEPS = {
    "write": "write_tokens(Path('{file}'), groups(), {dim})",
    "read": "[None for _ in read_tokens(Path('{file}'))]",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        side_by_side(Path(folder))
        memory(Path(folder))


def groups() -> Iterator[Tokens]:
    """2,000 sequences of 64 to 96 tokens, in groups of 64: lengths differ, normal values are made once."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((GROUP * 96, DIM), dtype=np.float32)
    for first in range(0, SEQUENCES, GROUP):
        rows = range(first, min(first + GROUP, SEQUENCES))
        lengths = rng.integers(64, 97, len(rows))
        yield Tokens([f"s{row}" for row in rows], lengths, values[: lengths.sum()])


def side_by_side(folder: Path) -> None:
    """The two ways to write, in turn, a group at a time so that neither holds everything; and lists of doubles."""
    ours, theirs, doubles = (folder / name for name in (FILE, "pyarrow.parquet", "doubles.parquet"))
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: write_tokens(ours, groups(), DIM),
        "pyarrow, uncompressed": lambda: by_pyarrow(theirs, pa.float32(), "none"),
        "ours, read": lambda: [None for _ in read_tokens(ours, DIM)],
    }
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            begun, worked = time.monotonic(), time.process_time()
            way()
            wall[name].append(time.monotonic() - begun)
            cpu[name].append(time.process_time() - worked)
    for name in ways:
        print(f"{name}: {median(wall[name]):.1f} s, {median(cpu[name]):.1f} CPU s", flush=True)
    first, second = "ours", "pyarrow, uncompressed"
    of_cpu, of_wall = (median([a / b for a, b in zip(of[first], of[second], strict=True)]) for of in (cpu, wall))
    theirs.unlink()
    by_pyarrow(doubles, pa.float64(), "snappy")
    share = ours.stat().st_size / doubles.stat().st_size
    doubles.unlink()
    print(
        f"writing: {of_cpu:.2f} of pyarrow's CPU seconds (bar 1.3), {of_wall:.2f} of its seconds; "
        f"{ours.stat().st_size / 1e9:.2f} GB, {share:.3f} of lists of doubles (bar 0.55); "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def by_pyarrow(path: Path, kind: pa.DataType, compression: str) -> None:
    """Row group after row group with pyarrow's defaults: a list of lists of doubles, or of vectors of float32."""
    vector = pa.list_(kind, DIM) if kind == pa.float32() else pa.list_(kind)
    schema = pa.schema([("id", pa.string()), ("hidden", pa.list_(vector))])
    with pq.ParquetWriter(path, schema, compression=compression) as out:
        for group in groups():
            values = pa.array(group.vectors.astype(kind.to_pandas_dtype(), copy=False).reshape(-1))
            starts = pa.array(np.arange(0, len(values) + 1, DIM, dtype=np.int32))
            fixed = kind == pa.float32()
            vectors = (
                pa.FixedSizeListArray.from_arrays(values, DIM) if fixed else pa.ListArray.from_arrays(starts, values)
            )
            offsets = pa.array(np.concatenate([[0], np.cumsum(group.lengths)]), pa.int32())
            hidden = pa.ListArray.from_arrays(offsets, vectors)
            out.write_table(pa.table([pa.array(group.ids), hidden], schema=schema))


def memory(folder: Path) -> None:
    """Peaks of processes of their own, with what an import takes."""
    for name, step in STEPS.items():
        code = "from pathlib import Path; from tests.bench.token_vectors import *; "
        cost = python(folder, "-c", code + step.format(file=FILE, dim=DIM))
        print(f"{name}, in a process of its own: {cost} (bar 1 GB)", flush=True)


if __name__ == "__main__":
    main()
