"""Whole runs: exact, distinct, split without leaks, the same bytes however they were made."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import lambda_gen_rs as fast
import polars as pl
import pytest
from lambda_gen_rs import LambdaError, RunSpec

from tests.references import slow_lambda as slow

SPEC = RunSpec(seed=5, examples=600_000, val_share=0.05, test_share=0.05)
SPLITS = ("train", "val", "test")


def files(folder: pathlib.Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, dict]:
    folder = tmp_path_factory.mktemp("run")
    report = fast.write_run(folder / "out", folder / "records", SPEC, workers=2)
    return folder / "out", report


@pytest.fixture(scope="module")
def rows(run: tuple[pathlib.Path, dict]) -> pl.DataFrame:
    tables = [pl.read_parquet(run[0] / split).with_columns(split=pl.lit(split)) for split in SPLITS]
    return pl.concat(tables)


def test_the_number_of_examples_is_met_exactly_and_reported(rows: pl.DataFrame, run: tuple) -> None:
    _, report = run
    assert len(rows) == report["stats"]["rows"] == 600_000
    by_split = [sum(part["rows"][i] for part in report["parts"]) for i in range(3)]
    assert by_split == [rows.filter(pl.col("split") == split).height for split in SPLITS]


def test_no_term_occurs_twice_and_no_input_of_val_or_test_occurs_in_train(rows: pl.DataFrame) -> None:
    assert rows["term"].n_unique() == len(rows)
    train = rows.filter(pl.col("split") == "train")
    held_out = rows.filter(pl.col("split") != "train")["term"]
    assert not held_out.is_in(pl.concat([train["term"], train["next_term"].drop_nulls()]).implode()).any()
    assert rows.group_by("trace_id").agg(pl.col("split").n_unique())["split"].max() == 1
    assert held_out.len() / len(rows) == pytest.approx(0.1, abs=0.02)


def test_the_figures_are_those_of_the_rows(rows: pl.DataFrame, run: tuple) -> None:
    stats = run[1]["stats"]
    for column in ("depth", "size", "redex_depth", "cycle"):
        counts = dict(rows[column].drop_nulls().value_counts().iter_rows())
        assert {value: n for value, n in enumerate(stats[column]) if n} == counts
    first = rows.filter((pl.col("step_k") == 0) & ~pl.col("is_nf"))
    assert stats["normal_forms"] == rows["is_nf"].sum()
    assert stats["incomplete"] == (~rows["complete"]).sum()
    assert stats["growing"] == (rows["growth"] > 0).sum()
    assert (stats["first_steps"], stats["growing_first_steps"]) == (len(first), (first["growth"] > 0).sum())
    assert stats["prefixed"] == rows.filter(~pl.col("is_nf"))["term"].str.starts_with("\\.\\.\\.").sum()
    assert stats["stratum"] == dict(rows["stratum"].value_counts().iter_rows())


def test_the_coverage_is_by_construction(run: tuple) -> None:
    stats = run[1]["stats"]
    n = stats["rows"]
    assert sum(stats["depth"][11:]) >= 0.5 * n
    assert sum(stats["size"][151:]) >= 0.12 * n
    assert sum(stats["redex_depth"][5:]) >= 0.45 * n
    assert sum(stats["redex_depth"][10:]) >= 0.10 * n
    assert stats["growing"] >= 0.14 * n
    assert stats["growing_first_steps"] >= 0.38 * stats["first_steps"]
    assert stats["prefixed"] >= 0.35 * n
    assert 0.05 * n <= stats["normal_forms"] <= 0.15 * n
    assert stats["under_ten_nodes"] <= 0.05 * n


def test_rows_are_what_the_slow_twin_says_and_traces_go_on(rows: pl.DataFrame) -> None:
    for row in rows.sample(1500, seed=1).iter_rows(named=True):
        term = slow.read(row["term"])
        assert slow.is_closed(term)
        span = (row["target_span"]["start"], row["target_span"]["end"])
        step = slow.step(row["term"])
        assert step == (None if row["is_nf"] else (row["next_term"], span))
        assert (row["size"], row["depth"]) == (slow.size(term), slow.depth(term))
        assert row["size"] <= 250
    after = rows.select("trace_id", pl.col("step_k") - 1, follows="term")
    pairs = rows.join(after, on=["trace_id", "step_k"])
    assert len(pairs) > 0.8 * len(rows)
    assert (pairs["next_term"] == pairs["follows"]).all()


def test_bytes_do_not_depend_on_workers_parts_or_interruption(run: tuple, tmp_path: pathlib.Path) -> None:
    expected = files(run[0])
    for workers in (1, 4):
        fast.write_run(tmp_path / f"{workers}", tmp_path / f"r{workers}", SPEC, workers=workers)
        assert files(tmp_path / f"{workers}") == expected

    def stop(done: int) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fast.write_run(tmp_path / "stopped", tmp_path / "rs", SPEC, progress=stop)
    report = fast.write_run(tmp_path / "stopped", tmp_path / "rs", SPEC)
    assert report["reused"] >= 1
    assert files(tmp_path / "stopped") == expected


def test_machines_that_share_only_files_make_the_same_bytes(run: tuple, tmp_path: pathlib.Path) -> None:
    scans = [tmp_path / f"{part}.scan" for part in range(3)]
    for part, scan in enumerate(scans):
        fast.scan_part(scan, SPEC, part)
    assert fast.resolve_parts(tmp_path, SPEC, scans[:2])[1] < 600_000
    parts, made = fast.resolve_parts(tmp_path, SPEC, scans)
    assert (parts, made) == (3, 600_000)
    for part in reversed(range(parts)):
        keep = tmp_path / f"part-{part:05}.keep"
        fast.write_part(tmp_path / "out", tmp_path / "records", SPEC, part, keep)
    assert files(tmp_path / "out") == files(run[0])


@pytest.mark.parametrize(
    ("scan", "said"),
    [
        (None, "cannot be read"),
        (b"abc", "cut off or of another run"),
        ((2**40).to_bytes(8, "little"), "cut off or of another run"),
        ((1).to_bytes(8, "little") + (2**60 + 3).to_bytes(8, "little"), "cut off or of another run"),
    ],
    ids=["missing", "short", "more words than bytes", "a last step with a next one"],
)
def test_a_scan_that_is_none_is_named_and_ends_in_no_panic(
    scan: bytes | None, said: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "0.scan"
    if scan is not None:
        path.write_bytes(scan)
    with pytest.raises(fast.LambdaError, match=f"0.scan .*{said}"):
        fast.resolve_parts(tmp_path, SPEC, [path])


CHILD = """
import sys, lambda_gen_rs as l
l.write_run(sys.argv[1], sys.argv[2], l.RunSpec(seed=5, examples=600_000, val_share=.05, test_share=.05),
            progress=lambda rows: print(rows, flush=True))
"""


def start(tmp_path: pathlib.Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "out"), str(tmp_path / "records")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_a_killed_run_goes_on_after_its_last_whole_part(run: tuple, tmp_path: pathlib.Path) -> None:
    child = start(tmp_path)
    assert child.stdout is not None
    next(line for line in child.stdout if int(line) > 300_000)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    (tmp_path / "out/val/part-00001.parquet").write_bytes(b"half")
    report = fast.write_run(tmp_path / "out", tmp_path / "records", SPEC)
    assert report["reused"] == 1
    assert files(tmp_path / "out") == files(run[0])


def flipped(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def linked(path: pathlib.Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


@pytest.mark.parametrize("damage", [flipped, truncated, pathlib.Path.unlink])
@pytest.mark.parametrize("damaged", ["records/part-00001.record", "records/part-00001.claims"])
def test_a_part_whose_record_is_damaged_is_made_again(
    run: tuple, tmp_path: pathlib.Path, damaged: str, damage: Callable[[pathlib.Path], None]
) -> None:
    shutil.copytree(run[0].parent, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / damaged)
    report = fast.write_run(tmp_path / "out", tmp_path / "records", SPEC)
    assert report["reused"] == 1
    assert report["stats"] == run[1]["stats"]


@pytest.mark.parametrize("damage", [flipped, truncated, linked, pathlib.Path.unlink])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_part_that_is_damaged_is_made_again(
    run: tuple, tmp_path: pathlib.Path, split: str, damage: Callable[[pathlib.Path], None]
) -> None:
    shutil.copytree(run[0].parent, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / f"out/{split}/part-00001.parquet")
    report = fast.write_run(tmp_path / "out", tmp_path / "records", SPEC)
    assert report["reused"] == 1
    (tmp_path / f"out/{split}/part-00001.elsewhere").unlink(missing_ok=True)
    assert files(tmp_path / "out") == files(run[0])
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_ctrl_c_stops_within_a_second(tmp_path: pathlib.Path) -> None:
    child = start(tmp_path)
    assert child.stdout is not None
    next(line for line in child.stdout if int(line) > 0)
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    child.wait(timeout=10)
    assert time.monotonic() - began < 1.5
    assert child.returncode != 0


def test_json_lines_hold_the_same_rows(run: tuple, rows: pl.DataFrame, tmp_path: pathlib.Path) -> None:
    spec = RunSpec(seed=5, examples=3000, val_share=0.05, test_share=0.05, format="jsonl")
    fast.write_run(tmp_path / "out", tmp_path / "records", spec)
    lines = (tmp_path / "out/val/part-00000.jsonl").read_text().splitlines()
    assert lines
    for line in lines:
        row = json.loads(line)
        assert line == json.dumps(row, separators=(",", ":"))
        meta = row.pop("meta")
        same = rows.row(by_predicate=pl.col("term") == row["term"], named=True)
        assert [same["target_span"]["start"], same["target_span"]["end"]] == row.pop("target_span")
        assert {key: same[key] for key in row | meta} == row | meta


@pytest.mark.parametrize("profile", ["shallow", "naive", "shallow_naive", "ood"])
def test_every_profile_makes_its_own_kind(profile: str, tmp_path: pathlib.Path) -> None:
    report = fast.write_run(tmp_path / "o", tmp_path / "r", RunSpec(seed=1, examples=100_000, profile=profile))
    roots = pl.read_parquet(tmp_path / "o/train").filter(pl.col("step_k") == 0)
    limits = {"shallow": (20, 120, 10), "naive": (2, 200, 15), "shallow_naive": (2, 120, 10), "ood": (200, 250, 18)}
    low, high, depth = limits[profile]
    assert roots["size"].is_between(low, high).all()
    assert roots["depth"].max() <= depth
    assert set(report["stats"]["stratum"]) == (
        {"walk"} if "naive" in profile else {"normal", "prefix", "growth", "redex"}
    )


def test_an_order_that_cannot_be_met_says_why(tmp_path: pathlib.Path) -> None:
    for change, why in [
        ({"profile": "deep"}, "covering, shallow, naive, shallow_naive or ood"),
        ({"format": "csv"}, "parquet or jsonl"),
        ({"size_limit": 100}, "size_limit=100"),
        ({"examples": 0}, "examples=0"),
        ({"val_share": 0.7, "test_share": 0.7}, "val and test"),
        ({"val_share": float("nan")}, "fractions"),
    ]:
        with pytest.raises(LambdaError, match=why):
            RunSpec(**{"seed": 1, "examples": 10, **change})
    fast.write_run(tmp_path / "o", tmp_path / "r", RunSpec(seed=1, examples=10))
    with pytest.raises(LambdaError, match="another run"):
        fast.write_run(tmp_path / "o", tmp_path / "r", RunSpec(seed=2, examples=10))
