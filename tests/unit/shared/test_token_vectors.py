"""Tables of token vectors: what is written comes back, in pieces; what is none is refused."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.tables import Floats
from tasks.token_vectors import LEAF, Tokens, read_tokens, token_sizes, write_tokens

ROWS = [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]], [[6.0, 7.0], [8.0, 9.0]]]
IDS = ["a", "b", "c"]


def sequences(lengths: list[int], dim: int = 3, first: int = 0) -> Tokens:
    rng = np.random.default_rng([len(lengths), dim, first])
    vectors = rng.standard_normal((sum(lengths), dim), dtype=np.float32)
    return Tokens([f"s{first + row}" for row in range(len(lengths))], np.array(lengths, dtype=np.int64), vectors)


def together(groups: Iterator[Tokens]) -> Tokens:
    every = list(groups)
    assert all(len(group.ids) <= 64 for group in every)
    return Tokens(
        [name for group in every for name in group.ids],
        np.concatenate([group.lengths for group in every]),
        np.concatenate([group.vectors for group in every]),
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), max_size=150), min_size=1, max_size=5).filter(any),
    st.integers(1, 5),
    st.sampled_from(["float32", "float16"]),
)
def test_what_is_written_in_any_groups_comes_back(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[int]], dim: int, dtype: str
) -> None:
    path = tmp_path_factory.mktemp("tokens") / "t.parquet"
    firsts = np.cumsum([0, *map(len, groups)]).tolist()
    given = [sequences(lengths, dim, first) for lengths, first in zip(groups, firsts[:-1], strict=True)]
    assert write_tokens(path, given, dim, dtype) == firsts[-1]  # type: ignore[arg-type]
    read = together(read_tokens(path, dim))
    assert read.ids == [name for group in given for name in group.ids]
    assert read.lengths.tolist() == [length for lengths in groups for length in lengths]
    vectors = np.concatenate([group.vectors for group in given])
    np.testing.assert_array_equal(read.vectors, vectors.astype(dtype).astype(np.float32))
    assert token_sizes(path) == (firsts[-1], len(vectors), dim)


@pytest.mark.parametrize(("dtype", "kind"), [("float32", "float"), ("float16", "halffloat")])
def test_the_file_is_of_the_form_that_is_promised(tmp_path: Path, dtype: str, kind: str) -> None:
    write_tokens(tmp_path / "t.parquet", [sequences([2] * 100), sequences([1] * 50, first=100)], 3, dtype)  # type: ignore[arg-type]
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        assert str(file.schema_arrow.field("hidden").type) == f"list<element: fixed_size_list<element: {kind}>[3]>"
        assert [file.metadata.row_group(group).num_rows for group in range(3)] == [64, 64, 22]
        leaf = file.metadata.row_group(0).column(1)
    assert (leaf.path_in_schema, leaf.compression) == (LEAF, "ZSTD")
    assert "BYTE_STREAM_SPLIT" in leaf.encodings
    assert not leaf.has_dictionary_page


def test_a_rows_vectors_can_be_stacked(tmp_path: Path) -> None:
    made = sequences([3, 1, 2])
    write_tokens(tmp_path / "t.parquet", [made], 3)
    expected = np.split(made.vectors, [3, 4])
    table = pq.read_table(tmp_path / "t.parquet")
    for rows in (
        table.to_pandas().to_dict("records"),
        table.to_pylist(),
        pl.read_parquet(tmp_path / "t.parquet").to_dicts(),
    ):
        for row, vectors in zip(rows, expected, strict=True):
            np.testing.assert_array_equal(np.vstack(row["hidden"]), vectors)


@pytest.mark.parametrize("of", [pa.float64(), pa.float32()])
@pytest.mark.parametrize("lists", [pa.list_, pa.large_list])
def test_plain_lists_of_one_size_will_do(tmp_path: Path, of: pa.DataType, lists: type) -> None:
    pq.write_table(pa.table({"id": IDS, "hidden": pa.array(ROWS, lists(lists(of)))}), tmp_path / "t.parquet")
    read = together(read_tokens(tmp_path / "t.parquet", 2))
    np.testing.assert_array_equal(read.vectors, np.arange(10, dtype=np.float32).reshape(5, 2))
    assert (read.ids, read.lengths.tolist(), read.vectors.dtype) == (IDS, [2, 1, 2], np.float32)
    assert token_sizes(tmp_path / "t.parquet") == (3, 5, 2)


def test_rows_that_are_taken_are_those(tmp_path: Path) -> None:
    made = sequences([3, 1, 2])
    taken = made.take([2, 0, 2], ["x", "y", "z"])
    assert (taken.ids, taken.lengths.tolist()) == (["x", "y", "z"], [2, 3, 2])
    np.testing.assert_array_equal(taken.vectors, made.vectors[[4, 5, 0, 1, 2, 4, 5]])
    assert made.take([0, 1, 2], ["x", "y", "z"]).vectors is made.vectors
    assert made.take([], []).vectors.shape == (0, 3)


def fixed(values: list[float | None]) -> pa.Array:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values, pa.float32()), 2)
    return pa.ListArray.from_arrays(pa.array([0, 2, 3, 5], pa.int32()), vectors)


COUNT: list[float | None] = [0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"id": IDS}, "has no column hidden, but id"),
        ({"hidden": ROWS}, "has no column id"),
        ({"id": IDS, "hidden": [[0.0], [1.0], [2.0]]}, r"hidden is list<element: double>, but a list of token vectors"),
        ({"id": IDS, "hidden": [[["x"]]] * 3}, "hidden is list<.*string"),
        ({"id": IDS, "hidden": [[[1, 2]]] * 3}, "hidden is list<.*int64"),
        ({"id": IDS, "hidden": [ROWS[0], [], ROWS[2]]}, "'b' has no token vectors"),
        ({"id": IDS, "hidden": [ROWS[0], ROWS[1], None]}, "'c' has no token vectors"),
        ({"id": IDS, "hidden": [ROWS[0], [None], ROWS[2]]}, "'b' has a token vector of no numbers, where 2"),
        (
            {"id": IDS, "hidden": [ROWS[0], ROWS[1], [[1.0, 2.0], [3.0]]]},
            "'c' has a token vector of 1 numbers, where 2",
        ),
        ({"id": IDS, "hidden": [[[1.0]], [[2.0]], [[3.0]]]}, "'a' has a token vector of 1 numbers, where 2 are needed"),
        ({"id": IDS, "hidden": fixed([*COUNT[:4], np.nan, *COUNT[5:]])}, "a token vector of 'b' is not finite"),
        ({"id": IDS, "hidden": fixed([*COUNT[:9], -np.inf])}, "a token vector of 'c' is not finite"),
        ({"id": IDS, "hidden": fixed([None, *COUNT[1:]])}, "a token vector of 'a' is not finite"),
        ({"id": IDS, "hidden": [*ROWS[:2], [[1e300, 1.0]]]}, "a token vector of 'c' is not finite"),
        ({"id": ["a", "b", "a"], "hidden": fixed(COUNT)}, "id 'a' stands on two rows"),
        ({"id": ["a", None, "c"], "hidden": fixed(COUNT)}, "row 2 has no id"),
        ({"id": [], "hidden": pa.array([], pa.list_(pa.list_(pa.float32(), 2)))}, "holds no rows"),
    ],
)
def test_what_are_no_token_vectors_is_refused(tmp_path: Path, columns: dict[str, pa.Array], problem: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=problem):
        list(read_tokens(tmp_path / "t.parquet", 2))


def test_an_id_that_comes_back_in_another_group_is_refused(tmp_path: Path) -> None:
    write_tokens(tmp_path / "t.parquet", [sequences([1] * 70), sequences([1])], 3)
    with pytest.raises(InputError, match="id 's0' stands on two rows"):
        list(read_tokens(tmp_path / "t.parquet"))


def test_what_is_no_whole_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_tokens(path, [sequences([5] * 70)], 3)
    whole = path.read_bytes()
    for spoilt in (b"id,hidden", whole[: len(whole) // 2], b""):
        path.write_bytes(spoilt)
        with pytest.raises(InputError, match="cannot be read as Parquet with id and hidden"):
            list(read_tokens(path))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_tokens(tmp_path / "nowhere.parquet"))


def test_float16_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    vectors: Floats = np.array([[1.0], [2.0], [70_000.0]], dtype=np.float32)
    group = Tokens(["a", "b"], np.array([1, 2]), vectors)
    write_tokens(tmp_path / "t.parquet", [group], 1)
    with pytest.raises(InputError, match="'b' has a value that float16 cannot hold"):
        write_tokens(tmp_path / "t.parquet", [group], 1, "float16")
