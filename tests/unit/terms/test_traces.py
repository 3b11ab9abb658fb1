from pathlib import Path

import lambda_gen_rs as lam
import polars as pl
import pytest

from tasks.errors import InputError
from tasks.terms.params import TermsParams
from tasks.terms.traces import write_terms


def test_every_row_is_a_closed_term_with_its_next_one(tmp_path: Path) -> None:
    report = write_terms(tmp_path / "t.parquet", TermsParams(rows=500))
    rows = pl.read_parquet(tmp_path / "t.parquet").to_dicts()
    assert len(rows) == report["rows"] == len({row["term"] for row in rows}) == 500
    for row in rows:
        stepped = lam.step(row["term"])
        assert lam.is_closed(row["term"])
        assert row["next_term"] == (stepped[0] if stepped else None)
        assert row["size"] == lam.size(row["term"]) <= TermsParams().size_limit


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    for workers in (1, 3):
        write_terms(tmp_path / str(workers), TermsParams(rows=1000, seed=7, workers=workers))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()
    write_terms(tmp_path / "other", TermsParams(rows=1000, seed=8))
    assert (tmp_path / "1").read_bytes() != (tmp_path / "other").read_bytes()


def test_more_terms_than_there_are_is_one_clear_error(tmp_path: Path) -> None:
    few = TermsParams(rows=1000, min_size=3, max_size=4, size_limit=4)
    with pytest.raises(InputError, match="fewer rows"):
        write_terms(tmp_path / "t.parquet", few)


def test_sizes_that_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="must not fall"):
        TermsParams(min_size=9, max_size=4)
