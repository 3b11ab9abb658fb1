"""Token vectors of a file of pairs: what is encoded, what is found again, what is survived."""

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

from flows import cli
from flows.embed import EmbedTextsParams, embed_texts
from tasks.token_vectors import Tokens, read_tokens
from tests.unit.embed.test_tokens import language_model

ROOT = Path(__file__).parents[2]
SMALL_SHARDS = """
import sys, tasks.embed.texts
from flows.cli import run
from flows.embed import EmbedTextsParams, embed_texts

tasks.embed.texts.SHARD_CHARACTERS = 200
run(embed_texts, EmbedTextsParams, sys.argv[1:])
"""
SIDES = ("nl_embeddings.parquet", "lean_embeddings.parquet")
FLAGS = ["--data", "pairs.jsonl", "--tokens", "--encoder", "./model", "--threads", "1"]


def start(folder: Path) -> "subprocess.Popen[str]":
    from prefect.settings import PREFECT_API_URL

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    command = [sys.executable, "-c", SMALL_SHARDS, *FLAGS]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def here(*arguments: str) -> int:
    """A run in this process and the current folder; its exit status."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(embed_texts, EmbedTextsParams, [*FLAGS, *arguments])
    if isinstance(stopped.value.code, str):
        print(stopped.value.code, file=sys.stderr)
        return 1
    return stopped.value.code or 0


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def pairs(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "nl": f"{number}abc" * 3, "lean": f"({number})" * 4} for number in numbers]


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"data/embed/[!.]*/token_shard/{SIDES[0]}"))


def encoded(folder: Path) -> int:
    """Rows of all shards: pairs that were ever encoded."""
    return sum(len(pl.read_parquet(shard, columns=["id"])) for shard in shards(folder))


def made(folder: Path) -> list[list[Tokens]]:
    return [list(read_tokens(folder / side)) for side in SIDES]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tasks.embed.texts.SHARD_CHARACTERS", 200)
    language_model(tmp_path / "model")
    return tmp_path


def test_only_new_pairs_are_encoded_and_both_sides_have_the_same_tokens(folder: Path) -> None:
    write(folder, pairs(*range(20)))
    assert here() == 0
    first = made(folder / "data/out/embed")
    for left, right in zip(*first, strict=True):
        assert left.ids == right.ids == [f"q{number}" for number in range(20)]
        assert (left.vectors - right.vectors).shape == (left.lengths.sum(), 16)
    assert len(shards(folder)) > 2
    assert encoded(folder) == 20

    grown = pairs(30, *range(19, 4, -1))
    write(folder, [*grown, {**grown[0], "id": "again"}])
    assert here("--out", "more", "--batch-tokens", "100") == 0
    assert encoded(folder) == 21
    for before, after in zip(first, made(folder / "more"), strict=True):
        vectors = dict(zip(before[0].ids, np.split(before[0].vectors, np.cumsum(before[0].lengths)[:-1]), strict=True))
        found = dict(zip(after[0].ids, np.split(after[0].vectors, np.cumsum(after[0].lengths)[:-1]), strict=True))
        assert set(found) == {row["id"] for row in grown} | {"again"}
        np.testing.assert_array_equal(found["again"], found["q30"])
        for name in found.keys() & vectors.keys():
            np.testing.assert_array_equal(found[name], vectors[name])

    assert here("--layer", "1", "--token-dtype", "float16", "--out", "other") == 0
    assert encoded(folder) == 37
    assert np.abs(made(folder / "other")[0][0].vectors - made(folder / "more")[0][0].vectors).max() > 1e-4


def test_a_kill_loses_one_shard(folder: Path) -> None:
    write(folder, pairs(*range(60)))
    process = start(folder)
    deadline = time.monotonic() + 240
    while len(shards(folder)) < 2:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = {shard: shard.stat().st_mtime_ns for shard in shards(folder)}
    assert encoded(folder) < 60
    assert here() == 0
    assert encoded(folder) == 60
    assert left.items() <= {shard: shard.stat().st_mtime_ns for shard in shards(folder)}.items()
    assert [name for group in made(folder / "data/out/embed")[0] for name in group.ids] == [f"q{n}" for n in range(60)]


@pytest.mark.parametrize(
    ("row", "flags", "status", "message"),
    [
        ('{"id": "a", "nl": "n"}', [], 1, 'pairs.jsonl line 2: "lean" is missing'),
        ("", ["--layer", "7"], 1, "--layer 7: "),
        ("", ["--no-tokens", "--layer", "1"], 2, "layer and token-dtype are of token vectors"),
        ("", ["--dtype", "bfloat16"], 2, "token vectors are computed in float32"),
        ("", ["--encoder", "./nowhere"], 1, "./nowhere is no model folder"),
    ],
)
def test_what_cannot_be_embedded_is_one_message(
    folder: Path, capsys: pytest.CaptureFixture[str], row: str, flags: list[str], status: int, message: str
) -> None:
    write(folder, pairs(1))
    with (folder / "pairs.jsonl").open("a") as file:
        file.write(row)
    assert here(*flags) == status
    assert capsys.readouterr().err.count(message) == 1
    assert not (folder / "data/out").exists()
