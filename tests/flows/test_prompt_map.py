"""The map alone, from a file of pairs or prompts."""

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli import run
from flows.params import PromptMapParams
from flows.prompt_map import prompt_map

PROMPTS = [f"{verb} the {noun}." for verb in ("Paint", "Wash", "Sell") for noun in ("house", "car", "dog", "λx.x")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments: Any) -> int:
    with pytest.raises(SystemExit) as stopped:
        run(prompt_map, PromptMapParams, [str(argument) for argument in arguments])
    if isinstance(stopped.value.code, str):
        print(stopped.value.code, file=sys.stderr)
        return 1
    return stopped.value.code or 0


def test_pairs_become_points_and_a_page(folder: Path, prefect_server: None) -> None:
    pairs = [{"source": "s", "prompt": prompt, "chosen": "yes", "rejected": "no"} for prompt in PROMPTS]
    pl.DataFrame(pairs).write_parquet("pairs.parquet")
    assert start("--pairs-path", "pairs.parquet", "--encoder", "minilm", "--output-path", "out/points.json") == 0
    assert sorted(path.name for path in (folder / "out").glob("[!.]*")) == ["points.json", "prompt_map.html"]
    points = json.loads((folder / "out/points.json").read_text())["points"]
    assert sorted(point["prompt"] for point in points) == sorted(PROMPTS)
    assert "12 prompts from 1 source" in (folder / "out/prompt_map.html").read_text()


def test_prompts_with_rewards_by_densmap(folder: Path, prefect_server: None) -> None:
    table = {"id": list("abcdefghijkl"), "prompt": PROMPTS, "source": ["s"] * 12, "reward": list(range(12))}
    pl.DataFrame(table).write_parquet("prompts.parquet")
    assert start("--prompts-path", "prompts.parquet", "--densmap", "--output-path", "points.json") == 0
    assert len(json.loads(Path("points.json").read_text())["points"]) == 12


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "give either --pairs-path or --prompts-path"),
        (["--pairs-path", "nowhere.parquet"], 1, "nowhere.parquet does not exist"),
        (["--prompts-path", "bad.parquet"], 1, "bad.parquet is no readable Parquet file"),
        (["--pairs-path", "x.parquet", "--encoder", "policy"], 1, "needs a model that was trained before"),
    ],
)
def test_an_error_is_one_message(
    folder: Path,
    prefect_server: None,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    Path("bad.parquet").write_text("no table")
    pl.DataFrame({"prompt": ["p"], "chosen": ["c"], "rejected": ["r"]}).write_parquet("x.parquet")
    assert start(*arguments) == status
    said = capfd.readouterr().err
    assert said.count(message) == 1
    assert "Traceback" not in said
    assert not Path("data/out").exists()
