"""Traces in one Parquet file: right, distinct, seeded, the same bytes whatever the workers."""

import pathlib

import lambda_gen_rs as fast
import polars as pl
import pytest

from tests.references import slow_lambda as slow

SMALL = {"seed": 3, "rows": 4000, "min_size": 4, "max_size": 16, "max_depth": 10}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    path = tmp_path_factory.mktemp("traces") / "traces.parquet"
    report = fast.write_traces(path, **SMALL)
    table = pl.read_parquet(path)
    assert report["rows"] == len(table) == SMALL["rows"]
    return table


def test_every_row_is_what_the_slow_twin_says(rows: pl.DataFrame) -> None:
    for row in rows.iter_rows(named=True):
        term, span = slow.read(row["term"]), (row["target_span"]["start"], row["target_span"]["end"])
        assert slow.is_closed(term)
        assert (row["size"], row["depth"]) == (slow.size(term), slow.depth(term))
        step, paths = slow.step(row["term"]), slow.redexes(term)
        assert row["is_nf"] == (step is None)
        assert ((row["next_term"], span) if step else None) == step
        assert row["redex_depth"] == (len(paths[0]) if paths else None)
        assert row["growth"] == (slow.size(slow.read(step[0])) - row["size"] if step else None)
        assert span != (0, 0) or not step


def test_no_term_occurs_twice_and_steps_count_to_the_normal_form(rows: pl.DataFrame) -> None:
    assert rows["term"].n_unique() == len(rows)
    assert (rows["complete"] == rows["steps_total"].is_not_null()).all()
    complete = rows.filter("complete")
    assert (complete["is_nf"] == (complete["step_k"] == complete["steps_total"])).all()
    assert rows.select(pl.struct("trace_id", "step_k").is_duplicated().any()).item() is False


def test_every_stratum_and_redex_depth_is_there(rows: pl.DataFrame) -> None:
    assert set(rows["stratum"]) == {"normal", "prefix", "growth", "redex"}
    roots = rows.filter(pl.col("step_k") == 0)
    assert set(roots["redex_depth"].drop_nulls()) >= set(range(9))
    assert (roots.filter(pl.col("stratum") == "growth")["growth"] > 0).all()
    assert roots.filter(pl.col("stratum") == "prefix")["term"].str.starts_with("\\.\\.\\.").all()
    assert roots["size"].is_between(4, 16).all()
    assert (roots["depth"] <= 10).all()


def test_bytes_depend_on_the_seed_and_not_on_the_workers(tmp_path: pathlib.Path) -> None:
    order = {**SMALL, "rows": 60_000, "min_size": 20, "max_size": 60}
    made = []
    for workers in (1, 2, 4):
        fast.write_traces(tmp_path / "t", **order, workers=workers)
        made.append((tmp_path / "t").read_bytes())
    assert made[0] == made[1] == made[2]
    fast.write_traces(tmp_path / "t", **{**order, "seed": 4})
    assert (tmp_path / "t").read_bytes() != made[0]


def test_progress_counts_rows_and_its_error_stops_without_a_file(tmp_path: pathlib.Path) -> None:
    seen: list[int] = []
    fast.write_traces(tmp_path / "t", **{**SMALL, "rows": 40_000, "max_size": 80}, progress=seen.append)
    assert seen[-1] == 40_000
    assert seen == sorted(seen)

    def fail(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fast.write_traces(tmp_path / "stopped", **SMALL, progress=fail)
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


def test_an_order_that_cannot_be_met_says_why(tmp_path: pathlib.Path) -> None:
    for change, why in [
        ({"max_size": 5, "rows": 100_000}, "too few terms"),
        ({"max_size": 300, "size_limit": 400}, "2 to 254"),
        ({"min_size": 60, "max_size": 60, "max_depth": 3}, "no closed term"),
        ({"size_limit": 10}, "size_limit"),
        ({"workers": 0}, "workers=0"),
    ]:
        with pytest.raises(fast.LambdaError, match=why):
            fast.write_traces(tmp_path / "t", **{**SMALL, **change})
    with pytest.raises(fast.LambdaError, match="cannot be written"):
        fast.write_traces(tmp_path / "no folder" / "t", **SMALL)
    assert list(tmp_path.iterdir()) == []
