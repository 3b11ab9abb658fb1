"""Vectors of a file of texts: what is encoded, what is found again, what is survived."""

import json
import os
import re
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

from tasks.minilm import minilm_folder
from tasks.tables import read_embeddings

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


def run(folder: Path, *arguments: str, status: int = 0) -> str:
    process = start(folder, *arguments)
    output, _ = process.communicate()
    assert process.returncode == status, output
    assert "Traceback" not in output
    return output


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def questions(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "prompt": f"How many are {number} and {number % 7}? " * 2} for number in numbers]


def counts(output: str) -> tuple[int, int]:
    encoded, reused = re.search(r"encoded (\d+), reused (\d+)", output).groups()  # type: ignore[union-attr]
    return int(encoded), int(reused)


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("data/embed/[!.]*/shard.parquet"))


def test_only_new_texts_are_encoded(tmp_path: Path, prefect_server: None) -> None:
    write(tmp_path, questions(*range(40)))
    assert counts(run(tmp_path, *MINILM)) == (40, 0)
    ids, emb = read_embeddings(tmp_path / "data/out/embed/embeddings.parquet")
    model = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
    twin = model.encode([row["prompt"] for row in questions(*range(40))], normalize_embeddings=True)
    assert ids == [f"q{number}" for number in range(40)]
    np.testing.assert_allclose(emb, twin, atol=1e-5)

    whole = shards(tmp_path)
    assert len(whole) > 3
    assert counts(run(tmp_path, *MINILM)) == (0, 40)
    assert shards(tmp_path) == whole

    grown = questions(50, 3, *range(38, 10, -1), 51)
    write(tmp_path, [*grown, {"id": "again", "prompt": grown[0]["prompt"]}])
    assert counts(run(tmp_path, *MINILM, "--out", "more")) == (2, len(grown) - 1)
    more_ids, more = read_embeddings(tmp_path / "more/embeddings.parquet")
    assert more_ids == [*(row["id"] for row in grown), "again"]
    np.testing.assert_array_equal(more[1], emb[3])
    np.testing.assert_array_equal(more[0], more[-1])

    shards(tmp_path)[0].write_bytes(b"damaged")
    shards(tmp_path)[1].unlink()
    write(tmp_path, questions(*range(39)))
    encoded, reused = counts(run(tmp_path, *MINILM))
    assert 0 < encoded < 39
    assert encoded + reused == 39
    np.testing.assert_allclose(read_embeddings(tmp_path / "data/out/embed/embeddings.parquet")[1], emb[:39], atol=1e-5)

    assert counts(run(tmp_path, "--encoder", "minilm", "--dtype", "bfloat16"))[0] == 39


def test_a_kill_loses_one_shard(tmp_path: Path, prefect_server: None) -> None:
    write(tmp_path, questions(*range(400)))
    process = start(tmp_path, *MINILM)
    deadline = time.monotonic() + 120
    while len(shards(tmp_path)) < 2:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sum(len(pl.read_parquet(shard)) for shard in shards(tmp_path))
    assert done < 400
    assert counts(run(tmp_path, *MINILM)) == (400 - done, done)


def test_dask_makes_the_same_vectors(tmp_path: Path, prefect_server: None) -> None:
    write(tmp_path, questions(*range(20)))
    alone = tmp_path / "alone"
    alone.mkdir()
    write(alone, questions(*range(20)))
    assert counts(run(tmp_path, *MINILM, "--runner", "dask")) == (20, 0)
    assert counts(run(alone, *MINILM)) == (20, 0)
    made = [folder / "data/out/embed/embeddings.parquet" for folder in (tmp_path, alone)]
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
    tmp_path: Path, row: str, flags: list[str], status: int, message: str, prefect_server: None
) -> None:
    write(tmp_path, questions(1))
    with (tmp_path / "texts.jsonl").open("a") as file:
        file.write(row)
    output = run(tmp_path, *flags, status=status)
    assert output.count(message) == 1
    assert not (tmp_path / "data/out").exists()
