"""The tables between stages, read back and refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.tables import read_embeddings, write_embeddings

IDS = ["a", "b", "c"]
EMB = np.arange(6, dtype=np.float32).reshape(3, 2)


@given(st.integers(1, 20), st.integers(1, 4))
def test_vectors_come_back_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, n: int, width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.tables.ROWS_A_GROUP", 7)
        path = tmp_path_factory.mktemp("emb") / "e.parquet"
        emb = np.random.default_rng(n).normal(size=(n, width)).astype(np.float32)
        write_embeddings(path, [f"p{row}" for row in range(n)], emb)
        ids, read = read_embeddings(path)
    assert ids == [f"p{row}" for row in range(n)]
    np.testing.assert_array_equal(read, emb)


def test_lists_that_are_all_of_one_length_will_do(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": IDS, "emb": EMB.astype(np.float64).tolist()}), tmp_path / "e.parquet")
    ids, emb = read_embeddings(tmp_path / "e.parquet")
    assert ids == IDS
    np.testing.assert_array_equal(emb, EMB)


def fixed(values: pa.Array) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(values, 2)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"id": IDS}, "has no column emb"),
        ({"emb": fixed(pa.array(EMB.ravel()))}, "has no column id"),
        ({"id": IDS, "emb": [[0.0, 1], [2.0], [3.0, 4]]}, "row 2 has 1 numbers, where 2 are needed"),
        ({"id": IDS, "emb": [[0.0, 1], None, [3.0, 4]]}, "row 2 has no vector"),
        ({"id": IDS, "emb": [[], [], []]}, "emb is list<.*null>|row 1 has no vector"),
        ({"id": IDS, "emb": [0.0, 1.0, 2.0]}, "emb is double, but vectors of one fixed size"),
        ({"id": IDS, "emb": ["x", "y", "z"]}, "emb is string"),
        ({"id": IDS, "emb": [["x"], ["y"], ["z"]]}, "cannot be read as columns id and emb, vectors of numbers"),
        ({"id": ["a", None, "c"], "emb": fixed(pa.array(EMB.ravel()))}, "row 2 has no id"),
        ({"id": IDS[:0], "emb": fixed(pa.array(EMB.ravel()[:0]))}, "holds no rows"),
        ({"id": ["a", "b", "a"], "emb": fixed(pa.array(EMB.ravel()))}, "repeats ids"),
        ({"id": IDS, "emb": fixed(pa.array([0, 1, 2, np.nan, 4, 5]))}, "the vector of 'b' is not finite"),
        ({"id": IDS, "emb": fixed(pa.array([0.0, 1, 2, 3, 4, None]))}, "the vector of 'c' is not finite"),
        ({"id": IDS, "emb": pa.array([[0.0, 1], None, [2, 3]], pa.list_(pa.float32(), 2))}, "row 2 has no vector"),
    ],
)
def test_what_are_no_vectors_is_refused(tmp_path: Path, columns: dict[str, pa.Array], problem: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    with pytest.raises(InputError, match=problem):
        read_embeddings(tmp_path / "e.parquet")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.parquet").write_text("id,emb")
    with pytest.raises(InputError, match=r"e\.parquet cannot be read as columns"):
        read_embeddings(tmp_path / "e.parquet")
