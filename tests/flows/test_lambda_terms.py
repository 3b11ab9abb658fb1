"""The run of λ-terms as a flow: the same bytes on threads, on Dask, killed or not; what it says and refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from distributed import Client
from prefect.settings import PREFECT_API_URL

from tests.stack import free_port, kill_a_dask_worker, wait

ROOT = Path(__file__).parents[2]
FLAGS = ["--examples", "600000", "--seed", "5", "--val-share", "0.05", "--test-share", "0.05"]


def start(folder: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows.lambda_terms", *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, *flags: str) -> str:
    process = start(folder, *flags)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def files(folder: Path) -> dict[str, bytes]:
    """What a run has published, without the note of which artifact it is."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("[!.]*")) if p.is_file()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> tuple[Path, str]:
    """A folder in which the run was made once, and what it said."""
    folder = tmp_path_factory.mktemp("threads")
    return folder, run(folder, *FLAGS, "--out", "made")


def test_the_splits_the_coverage_and_the_manifest_are_there(checkout: tuple[Path, str]) -> None:
    folder, said = checkout
    made = folder / "made"
    assert sorted(p.name for p in made.glob("[!.]*")) == [
        *["coverage.json", "coverage.svg", "manifest.json"],
        *["test", "train", "val"],
    ]
    assert said.strip().splitlines()[-1] == f"{'manifest.json':22} made/manifest.json"
    assert "made 3 parts, reused 0" in said
    manifest = json.loads((made / "manifest.json").read_text())
    assert (manifest["seed"], manifest["examples"], sum(manifest["rows"].values())) == (5, 600_000, 600_000)
    for file in manifest["files"]:
        path = made / file["path"]
        assert path.stat().st_size == file["bytes"]
        assert pl.scan_parquet(path).select(pl.len()).collect().item() == file["rows"]
    depths = pl.concat(pl.read_parquet(made / split, columns=["depth"]) for split in ("train", "val", "test"))["depth"]
    coverage = json.loads((made / "coverage.json").read_text())
    assert coverage["shares"]["depth > 10"] == round((depths > 10).mean(), 6)
    assert {i: n for i, n in enumerate(coverage["histograms"]["depth"]) if n} == dict(depths.value_counts().iter_rows())
    assert "<svg" in (made / "coverage.svg").read_text()


def test_a_second_run_makes_nothing(checkout: tuple[Path, str]) -> None:
    folder, _ = checkout
    assert "made 0 parts, reused 3" in run(folder, *FLAGS, "--out", "made")


def test_dask_makes_the_same_bytes(checkout: tuple[Path, str], tmp_path: Path) -> None:
    said = run(tmp_path, *FLAGS, "--runner", "dask", "--out", "made")
    assert "made 3 parts, reused 0" in said
    assert files(tmp_path / "made") == files(checkout[0] / "made")
    gathered = next((tmp_path / "data" / "terms").glob("*/run"))
    (gathered / "coverage.json").unlink()
    assert "made 0 parts, reused 3" in run(tmp_path, *FLAGS, "--runner", "dask", "--out", "made")
    assert files(tmp_path / "made") == files(checkout[0] / "made")


def test_a_dask_worker_that_is_killed_costs_no_byte(checkout: tuple[Path, str], tmp_path: Path) -> None:
    process = start(tmp_path, *FLAGS, "--runner", "dask", "--out", "made")
    wait(lambda: list(tmp_path.glob("data/terms/[!.]*/part.scan")) or process.poll() is not None)
    kill_a_dask_worker(process)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert files(tmp_path / "made") == files(checkout[0] / "made")


@contextmanager
def dask_cluster(folder: Path, **env: str) -> Iterator[str]:
    """The address of a scheduler with a worker, both started as a user would, in a folder."""
    address = f"tcp://127.0.0.1:{free_port()}"
    flags = {"scheduler": ["--host", address, "--no-dashboard"], "worker": [address, "--nthreads=1", "--no-dashboard"]}
    started = [
        subprocess.Popen(
            [str(Path(sys.executable).with_name("dask")), kind, *of],
            cwd=folder,
            env={**os.environ, **env},
            stderr=subprocess.DEVNULL,
        )
        for kind, of in flags.items()
    ]
    try:
        with Client(address, timeout=120) as client:
            client.wait_for_workers(1)
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def test_a_scheduler_by_address_makes_the_same_bytes(checkout: tuple[Path, str], tmp_path: Path) -> None:
    with dask_cluster(tmp_path, PYTHONPATH=str(ROOT)) as address:
        said = run(tmp_path, *FLAGS, "--runner", "dask", "--dask-address", address, "--out", "made")
    assert "made 3 parts, reused 0" in said
    assert files(tmp_path / "made") == files(checkout[0] / "made")


def test_a_scheduler_without_this_checkout_is_named(tmp_path: Path, prefect_server: None) -> None:
    with dask_cluster(tmp_path, PYTHONPATH="") as address:
        process = start(tmp_path, "--examples", "1000", "--runner", "dask", "--dask-address", address)
        said, _ = process.communicate()
    assert process.returncode == 1
    assert "cannot import this checkout's tasks" in said
    assert "PYTHONPATH=. dask" in said
    assert "Traceback" not in said


def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, prefect_server: None) -> None:
    process = start(tmp_path, "--examples", "1000", "--runner", "dask", "--dask-address", "tcp://127.0.0.1:1")
    said, _ = process.communicate()
    assert process.returncode == 1
    assert "error: --dask-address tcp://127.0.0.1:1: no Dask scheduler answers there" in said
    assert "Traceback" not in said


def records(folder: Path) -> list[Path]:
    return list((folder / "data" / "terms" / ".work").glob("*/records/part-*.record"))


def wait_for_a_part(process: subprocess.Popen[str], folder: Path) -> None:
    while not records(folder):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def test_a_killed_run_goes_on_after_its_last_whole_part(checkout: tuple[Path, str], tmp_path: Path) -> None:
    process = start(tmp_path, *FLAGS, "--workers", "1", "--out", "made")
    wait_for_a_part(process, tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    whole = len(records(tmp_path))
    assert not (tmp_path / "made").exists()
    assert f"made {3 - whole} parts, reused {whole}" in run(tmp_path, *FLAGS, "--out", "made")
    assert files(tmp_path / "made") == files(checkout[0] / "made")


def test_ctrl_c_stops_at_once_and_the_same_command_goes_on(checkout: tuple[Path, str], tmp_path: Path) -> None:
    process = start(tmp_path, *FLAGS, "--workers", "1", "--out", "made")
    wait_for_a_part(process, tmp_path)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert re.search("made [12] parts, reused [12]", run(tmp_path, *FLAGS, "--out", "made"))
    assert files(tmp_path / "made") == files(checkout[0] / "made")


def test_a_folder_with_a_users_own_files_is_left_alone(checkout: tuple[Path, str]) -> None:
    folder, _ = checkout
    own = folder / "own" / "train" / "cat.jpg"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    process = start(folder, *FLAGS, "--out", "own")
    said, _ = process.communicate()
    assert process.returncode == 1
    assert said.count("holds 1 files that no run put there, such as cat.jpg") == 1
    assert own.read_text() == "mine"


def test_two_runs_of_one_seed_at_once_are_one_run(checkout: tuple[Path, str], tmp_path: Path) -> None:
    both = [start(tmp_path, *FLAGS, "--out", name) for name in ("one", "two")]
    said = sorted(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    for name in ("one", "two"):
        assert files(tmp_path / name) == files(checkout[0] / "made")


def test_json_lines_are_compact_and_nest_meta(tmp_path: Path, prefect_server: None) -> None:
    run(tmp_path, "--examples", "2000", "--seed", "1", "--format", "jsonl", "--profile", "shallow", "--out", "made")
    lines = (tmp_path / "made/train/part-00000.jsonl").read_text().splitlines()
    assert all(line == json.dumps(json.loads(line), separators=(",", ":")) for line in lines)
    assert set(json.loads(lines[0])["meta"]) == {"depth", "size", "redex_depth", "growth", "cycle", "stratum"}


@pytest.mark.parametrize(
    ("flags", "status", "why"),
    [
        (["--size-limit", "100"], 2, "error: size_limit=100 is below"),
        (["--max-steps", "1000000"], 2, "error: --max-steps 1000000: Input should be less than"),
        (["--examples", "0"], 2, "greater than or equal to 1"),
        (["--val-share", "0.7", "--test-share", "0.7"], 2, "val and test"),
        (["--examples", "10", "--out", "/proc/none"], 1, "cannot be written (No such file or directory), so results"),
    ],
)
def test_what_cannot_be_done_says_why(
    flags: list[str], status: int, why: str, tmp_path: Path, prefect_server: None
) -> None:
    process = start(tmp_path, *flags)
    said, _ = process.communicate()
    assert process.returncode == status
    assert why in said
    assert "Traceback" not in said
