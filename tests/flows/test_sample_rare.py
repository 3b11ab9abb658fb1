"""The flow that draws rare ids, as its command line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from prefect.settings import PREFECT_API_URL

from tasks.tables import write_embeddings

ROOT = Path(__file__).parents[2]


def run(folder: Path, *flags: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "flows.sample_rare", *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path, prefect_server: None) -> Path:
    rng = np.random.default_rng(0)
    emb = np.concatenate([rng.normal(size=(1, 8)) + 0.2 * rng.normal(size=(90, 8)), rng.normal(size=(10, 8))])
    ids = [f"p{row}" for row in range(100)]
    write_embeddings(tmp_path / "embeddings.parquet", ids, emb / np.linalg.norm(emb, axis=1, keepdims=True))
    texts = {"id": ids, "prompt": [f"text {name}" for name in ids], "source": ["knot"] * 90 + ["lone"] * 10}
    pl.DataFrame(texts).with_columns(count=pl.lit(1, pl.Int64)).write_parquet(tmp_path / "prompts.parquet")
    return tmp_path


def test_rare_ids_are_drawn_and_the_report_names_them(folder: Path) -> None:
    flags = ["--emb", "embeddings.parquet", "--budget", "10", "--k", "20", "--seed", "1"]
    status, said = run(folder, *flags, "--prompts", "prompts.parquet", "--out-indices", "ids/rare.txt")
    assert status == 0, said
    drawn = (folder / "ids/rare.txt").read_text().split()
    assert len(set(drawn)) == 10
    assert sum(int(name[1:]) >= 90 for name in drawn) >= 3
    page = (folder / "data/out/sample_rare/density.md").read_text()
    assert "text p9" in page
    assert page.index("| lone |") < page.index("| knot |")
    again, _ = run(folder, *flags, "--out-indices", "again.txt")
    assert again == 0
    assert (folder / "again.txt").read_text().split() == drawn


def test_the_ids_never_replace_an_input(folder: Path) -> None:
    before = (folder / "embeddings.parquet").read_bytes()
    status, said = run(folder, "--emb", "embeddings.parquet", "--out-indices", "./embeddings.parquet")
    assert status == 2
    assert "it is an input, which the ids would replace" in said
    assert (folder / "embeddings.parquet").read_bytes() == before


@pytest.mark.parametrize("flags", [["--out", "data/density"], ["--out-indices", "data/.results/ids.txt"]], ids=str)
def test_the_caches_folders_take_no_results(flags: list[str], folder: Path) -> None:
    status, said = run(folder, "--emb", "nowhere.parquet", *flags)
    assert status == 1
    assert "published files would be mixed with that. Choose another --out" in said
    assert not (folder / "data/density").exists()


def test_a_budget_over_n_is_one_message(folder: Path) -> None:
    status, said = run(folder, "--emb", "embeddings.parquet", "--budget", "101", "--out-indices", "ids.txt")
    assert status == 1
    assert said.count("A budget of 101 asks for more prompts than there are (100)") == 1
    assert "Traceback" not in said
    assert not (folder / "ids.txt").exists()


def test_vectors_are_needed(folder: Path) -> None:
    status, said = run(folder, "--budget", "3")
    assert (status, "--emb" in said) == (2, True)
