"""Vectors of a file of texts: what is encoded, what is found again, what is survived."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sentence_transformers import SentenceTransformer

from flows import cli
from flows.embed import EmbedTextsParams, embed_texts
from tasks.minilm import minilm_folder
from tasks.tables import read_embeddings
from tests.stack import kill_a_dask_worker, wait

ROOT = Path(__file__).parents[2]
SMALL_SHARDS = """
import sys, tasks.embed.texts
from flows.cli import run
from flows.embed import EmbedTextsParams, embed_texts

tasks.embed.texts.SHARD_CHARACTERS = 300
run(embed_texts, EmbedTextsParams, sys.argv[1:])
"""
MINILM = ["--encoder", "minilm", "--dtype", "float32", "--threads", "1"]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    command = [sys.executable, "-c", SMALL_SHARDS, "--data", "texts.jsonl", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def here(*arguments: str) -> int:
    """A run in this process and the current folder; its exit status."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(embed_texts, EmbedTextsParams, ["--data", "texts.jsonl", *arguments])
    if isinstance(stopped.value.code, str):
        print(stopped.value.code, file=sys.stderr)
        return 1
    return stopped.value.code or 0


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def questions(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "prompt": f"How many are {number} and {number % 7}? " * 2} for number in numbers]


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("data/embed/[!.]*/shard.parquet"))


def encoded(folder: Path) -> int:
    """Rows of all shards: texts that were ever encoded."""
    return sum(len(pl.read_parquet(shard)) for shard in shards(folder))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tasks.embed.texts.SHARD_CHARACTERS", 300)
    return tmp_path


def test_only_new_texts_are_encoded(folder: Path) -> None:
    write(folder, questions(*range(40)))
    assert here(*MINILM) == 0
    ids, emb = read_embeddings(folder / "data/out/embed/embeddings.parquet")
    model = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
    twin = model.encode([row["prompt"] for row in questions(*range(40))], normalize_embeddings=True)
    assert ids == [f"q{number}" for number in range(40)]
    np.testing.assert_allclose(emb, twin, atol=1e-5)
    assert len(shards(folder)) > 3
    assert encoded(folder) == 40
    assert here(*MINILM) == 0
    assert encoded(folder) == 40

    grown = questions(50, 3, *range(38, 10, -1), 51)
    write(folder, [*grown, {"id": "again", "prompt": grown[0]["prompt"]}])
    assert here(*MINILM, "--out", "more") == 0
    assert encoded(folder) == 42
    more_ids, more = read_embeddings(folder / "more/embeddings.parquet")
    assert more_ids == [*(row["id"] for row in grown), "again"]
    np.testing.assert_array_equal(more[1], emb[3])
    np.testing.assert_array_equal(more[0], more[-1])


def test_a_shard_that_is_damaged_or_gone_is_made_again(folder: Path) -> None:
    write(folder, questions(*range(40)))
    assert here(*MINILM) == 0
    _, emb = read_embeddings(folder / "data/out/embed/embeddings.parquet")
    cut, gone, changed = shards(folder)[:3]
    cut.write_bytes(cut.read_bytes()[:-7])
    gone.unlink()
    whole = pl.read_parquet(changed)
    whole.with_columns(emb=whole["emb"].reverse()).write_parquet(changed)
    write(folder, questions(*range(39)))
    assert here(*MINILM) == 0
    np.testing.assert_array_equal(read_embeddings(folder / "data/out/embed/embeddings.parquet")[1], emb[:39])


def test_another_model_or_encoding_finds_nothing_known(folder: Path) -> None:
    write(folder, questions(*range(5)))
    assert here(*MINILM) == 0
    assert here("--encoder", "minilm", "--dtype", "bfloat16") == 0
    assert encoded(folder) == 10
    model = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
    model[0].model.embeddings.LayerNorm.bias.data += 0.01
    model.save(str(folder / "model"))
    assert here("--encoder", "./model", "--dtype", "float32", "--threads", "2", "--batch-tokens", "100") == 0
    assert encoded(folder) == 15


def test_a_kill_loses_one_shard(tmp_path: Path, prefect_server: None) -> None:
    write(tmp_path, questions(*range(100)))
    process = start(tmp_path, *MINILM)
    deadline = time.monotonic() + 120
    while len(shards(tmp_path)) < 2:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = encoded(tmp_path)
    assert done < 100
    output, _ = start(tmp_path, *MINILM).communicate()
    assert f"encoded {100 - done}, reused {done}" in output
    assert encoded(tmp_path) == 100


def test_dask_makes_the_same_vectors(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write(folder, questions(*range(20)))
    assert here(*MINILM) == 0
    spread = tmp_path_factory.mktemp("dask")
    os.chdir(spread)
    write(spread, questions(*range(20)))
    assert here(*MINILM, "--runner", "dask") == 0
    assert encoded(spread) == 20
    made = [folder / "data/out/embed/embeddings.parquet" for folder in (folder, spread)]
    assert made[0].read_bytes() == made[1].read_bytes()


def test_a_dask_worker_that_is_killed_costs_no_vector(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write(folder, questions(*range(100)))
    assert here(*MINILM) == 0
    spread = tmp_path_factory.mktemp("dask")
    write(spread, questions(*range(100)))
    process = start(spread, *MINILM, "--runner", "dask")
    wait(lambda: shards(spread) or process.poll() is not None)
    kill_a_dask_worker(process)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    made = [folder / "data/out/embed/embeddings.parquet" for folder in (folder, spread)]
    assert made[0].read_bytes() == made[1].read_bytes()


@pytest.mark.parametrize(
    ("row", "flags", "status", "message"),
    [
        ('{"id": "a", "prompt": ""}', MINILM, 1, 'texts.jsonl line 2: "prompt" is empty'),
        ('{"id": "q1", "prompt": "p"}', MINILM, 1, "texts.jsonl line 2: id 'q1' stands at texts.jsonl line 1 already"),
        ("", ["--encoder", "policy"], 1, "data/out/kat/policy_sft is none. Run flows.kat first"),
        ("", ["--ckpt-source", "grpo"], 1, "policy_density does not exist"),
        ("", ["--encoder", "minilm", "--ckpt-source", "base"], 2, "ckpt-source base is of the encoder policy"),
        ("", ["--encoder", "./nowhere"], 1, "./nowhere is no model folder"),
    ],
)
def test_what_cannot_be_embedded_is_one_message(
    folder: Path, capsys: pytest.CaptureFixture[str], row: str, flags: list[str], status: int, message: str
) -> None:
    write(folder, questions(1))
    with (folder / "texts.jsonl").open("a") as file:
        file.write(row)
    assert here(*flags) == status
    assert capsys.readouterr().err.count(message) == 1
    assert not (folder / "data/out").exists()
