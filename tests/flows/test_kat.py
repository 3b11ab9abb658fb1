"""The main flow from terms to the map on a tiny model: what it makes, what it does again, what it survives."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

from flows.kat import kat
from flows.params import KatParams
from tasks import prune
from tasks.errors import TrainingError

ROOT = Path(__file__).parents[2]
TINY: dict[str, Any] = {
    "terms": {"rows": 3000},
    "pairs": {"count": 800},
    "sft": {"hidden": 32, "layers": 1, "heads": 2, "max_steps": 8, "save_steps": 4, "batch": 16},
    "density": {"budget": 20},
    "reward": {"max_steps": 4, "batch": 8},
    "policy": {"max_steps": 2, "batch": 16, "generations": 4, "max_completion": 8, "allow_weak_reward": True},
    "diversity": {"prompts": 20, "completions": 4, "max_completion": 8, "token_budget": 50},
    "map": {"n_neighbors": 5},
}
STAGES = ["terms", "pairs", "prompts", "sft", "embed", "density", "reward", "policy", "diversity", "prompt_map"]
FILES = [
    *["pairs.parquet", "prompts.parquet", "embeddings.parquet", "weights.parquet", "sampled_ids.txt"],
    *["reward_model", "policy_sft", "policy_uniform", "policy_density", "policy_placebo"],
    *["comparison.json", "report.md", "embeddings_3d.json", "prompt_map.html"],
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Iterator[Path]:
    """A folder in which the tiny flow has run to its end once."""
    folder = tmp_path_factory.mktemp("kat")
    before = Path.cwd()
    os.chdir(folder)
    kat(KatParams.model_validate(TINY))
    yield folder
    os.chdir(before)


def artifacts(checkout: Path) -> dict[str, set[str]]:
    """The keys of finished artifacts by stage."""
    return {stage: {p.name for p in (checkout / "data" / stage).glob("[!.]*")} for stage in STAGES}


def again(**changes: Any) -> None:
    kat(KatParams.model_validate({**TINY, **changes}))


def inodes(checkout: Path) -> dict[str, int]:
    files = (p for stage in STAGES for p in (checkout / "data" / stage).rglob("*") if p.is_file())
    return {str(path): path.stat().st_ino for path in files}


def test_every_result_lies_where_the_readme_says(checkout: Path) -> None:
    assert {name for name in FILES if not (checkout / "data/out/kat" / name).exists()} == set()


def test_no_artifact_of_a_run_can_be_pruned_while_its_results_lie_there(checkout: Path) -> None:
    every = prune.artifacts()
    assert {item.stage.name for item in every} == set(STAGES)
    assert prune.unneeded(every, math.inf) == []


def test_the_comparison_holds_each_model_with_intervals(checkout: Path) -> None:
    comparison = json.loads((checkout / "data/out/kat/comparison.json").read_text())
    assert list(comparison["arms"]) == ["sft", "uniform", "density", "placebo"]
    for metrics in comparison["arms"].values():
        assert {"pass@1", "reward", "distinct_correct", "entropy", "self_bleu", "vocabulary_ratio"} <= set(metrics)
        reward = metrics["reward"]
        assert reward["low"] <= reward["mean"] <= reward["high"]
        assert reward["n"] == 20
    assert set(comparison["contrasts"]) == {
        *("uniform-sft", "density-sft", "placebo-sft"),
        *("density-uniform", "placebo-uniform", "density-placebo"),
    }


def test_a_reward_model_at_chance_trains_no_policy(checkout: Path) -> None:
    before = artifacts(checkout)
    with pytest.raises(TrainingError, match=r"which is not clear of chance.*--policy\.allow-weak-reward"):
        again(reward={**TINY["reward"], "learning_rate": 1e-9}, policy={**TINY["policy"], "allow_weak_reward": False})
    assert artifacts(checkout)["policy"] == before["policy"]


def test_no_held_out_prompt_is_trained_on(checkout: Path) -> None:
    prompts = pl.read_parquet(checkout / "data/out/kat/prompts.parquet")
    held_out = set(prompts.filter(split="eval")["id"])
    assert held_out
    for schedule in (checkout / "data/policy").glob("*/policy/schedule.parquet"):
        seen = pl.read_parquet(schedule)
        assert not held_out & set(seen["id"])
        assert seen["seen"].sum() == 2 * 16 / 4
        assert (seen["seen"] == seen["drawn"]).all()
        assert ((seen["seen"] - seen["expected"]).abs() < 1).all()


def test_both_arms_moved_away_from_sft(checkout: Path) -> None:
    sft, uniform, density = (
        load_file(checkout / f"data/out/kat/policy_{name}/model.safetensors") for name in ("sft", "uniform", "density")
    )
    assert any((sft[name] != uniform[name]).any() for name in sft)
    assert any((density[name] != uniform[name]).any() for name in sft)


def test_nothing_published_is_a_pickle(checkout: Path) -> None:
    allowed = {".parquet", ".json", ".jsonl", ".txt", ".md", ".html", ".safetensors", ".jinja"}
    out = checkout / "data/out"
    assert {p.suffix for p in out.rglob("*") if p.is_file()} <= allowed
    assert not [p for p in (checkout / "data").rglob("training_args.bin")]


def test_work_folders_are_gone_when_their_stage_is_done(checkout: Path) -> None:
    assert [p for p in (checkout / "data").glob("*/.work/*")] == []
    assert [p for p in (checkout / "data").rglob("*.tmp")] == []


def test_a_second_run_makes_nothing(checkout: Path) -> None:
    before = inodes(checkout)
    again()
    assert inodes(checkout) == before


def times_made(checkout: Path) -> dict[Path, float]:
    return {path: json.loads(path.read_text())["made"] for path in checkout.glob("data/*/[!.]*/manifest.json")}


def test_a_refreshed_stage_is_made_again_and_the_next_run_finds_it(checkout: Path) -> None:
    before = times_made(checkout)
    again(refresh=["embed"], until="density")
    after = times_made(checkout)
    assert {path for path in before if after[path] > before[path]} == set(
        checkout.glob("data/embed/[!.]*/manifest.json")
    )
    again()
    assert times_made(checkout) == after


def test_a_changed_parameter_makes_again_only_what_follows_it(checkout: Path) -> None:
    before = artifacts(checkout)
    again(map={"n_neighbors": 4})
    after = artifacts(checkout)
    assert [stage for stage in STAGES if after[stage] != before[stage]] == ["prompt_map"]
    again(arms=["uniform"], until="policy")
    assert artifacts(checkout) == after


def test_a_damaged_output_is_made_again_alone_and_the_same(checkout: Path) -> None:
    (embeddings,) = (checkout / "data/embed").glob("*/embeddings.parquet")
    content = embeddings.read_bytes()
    before = inodes(checkout)
    embeddings.write_bytes(content[:100])
    again()
    assert embeddings.read_bytes() == content
    changed = {path for path, inode in inodes(checkout).items() if before[path] != inode}
    assert {Path(path).parent for path in changed} == {embeddings.parent}


def test_until_stops_after_its_stage(checkout: Path, tmp_path: Path) -> None:
    again(until="density", out=tmp_path)
    assert sorted(p.name for p in tmp_path.glob("[!.]*") if p.is_file()) == [
        *["bad_rows.jsonl", "density.md", "embeddings.parquet", "pairs.parquet", "prompts.parquet"],
        *["sampled_ids.txt", "terms.parquet", "weights.parquet"],
    ]


def flags(tree: dict[str, Any], prefix: str = "--") -> list[str]:
    found = []
    for name, value in tree.items():
        flag = prefix + name.replace("_", "-")
        found += (
            flags(value, flag + ".") if isinstance(value, dict) else [flag] if value is True else [flag, str(value)]
        )
    return found


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    from prefect.settings import PREFECT_API_URL

    env = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    command = [sys.executable, "-m", "flows.kat", *arguments]
    return subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, prefect_server: None) -> None:
    longer = {**TINY, "sft": {**TINY["sft"], "max_steps": 60}, "until": "sft"}
    run = start(tmp_path, *flags(longer))
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("data/sft/.work/*/checkpoint-*/.whole")):
        assert run.poll() is None, run.stdout.read() if run.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    finished = {stage: keys for stage, keys in artifacts(tmp_path).items() if keys}
    assert set(finished) == {"terms", "pairs", "prompts"}
    assert not list(tmp_path.glob("data/sft/*/manifest.json"))
    before = inodes(tmp_path)
    second = start(tmp_path, *flags(longer))
    output, _ = second.communicate()
    assert second.returncode == 0, output
    after = inodes(tmp_path)
    assert all(after[path] == inode for path, inode in before.items() if "/.work/" not in path and ".tmp/" not in path)
    assert "policy_sft" in output.splitlines()[-1]
    assert not list(tmp_path.glob("data/*/.*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--density.k", "0"], "--density.k 0: Input should be greater than or equal to 1"),
        (["--densty.k", "3"], "unrecognized arguments: --densty.k"),
        (["--arms", "uniform,uniform"], "arms names one twice: uniform, uniform"),
        (["--until", "nowhere"], "--until nowhere: Input should be 'terms', 'pairs'"),
    ],
)
def test_a_bad_flag_is_one_message_and_status_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    run = start(tmp_path, *arguments)
    output, _ = run.communicate()
    assert run.returncode == 2
    assert message in output
    assert "Traceback" not in output


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root: run the tests as root")
def test_a_full_disk_is_one_message_and_goes_on_after_space_is_made(tmp_path: Path, prefect_server: None) -> None:
    (tmp_path / "data").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path / "data")]
    subprocess.run(mount, check=True)
    try:
        arguments = flags({"until": "prompts", "terms": {"rows": 20_000}})
        run = start(tmp_path, *arguments)
        output, _ = run.communicate()
        assert run.returncode == 1, output
        assert output.count("No space left on device") == 1
        assert "Traceback" not in output
        assert not list(tmp_path.glob("data/*/*/manifest.json"))
        subprocess.run(["mount", "-o", "remount,size=100m", str(tmp_path / "data")], check=True)
        assert start(tmp_path, *arguments).wait() == 0
    finally:
        subprocess.run(["umount", str(tmp_path / "data")], check=True)


def test_a_bad_row_is_one_message_and_status_1(tmp_path: Path, prefect_server: None) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "p", "chosen": "c"}\n')
    run = start(tmp_path, "--pairs.sources", "file:pairs.jsonl")
    output, _ = run.communicate()
    assert run.returncode == 1
    assert output.count('pairs.jsonl line 1: "rejected" is missing') == 1
    assert "Traceback" not in output
    assert not list(tmp_path.glob("data/pairs/[!.]*"))


def test_a_missing_file_is_one_message_and_status_1(tmp_path: Path, prefect_server: None) -> None:
    run = start(tmp_path, "--pairs.sources", "file:nowhere.jsonl")
    output, _ = run.communicate()
    assert run.returncode == 1
    assert "nowhere.jsonl does not exist" in output.splitlines()[-1]
    assert "Traceback" not in output
    assert not (tmp_path / "data/pairs").exists()


LATE_EVENTS = """
import atexit, logging
from flows.cli import run
from flows.kat import KatParams, kat

late = "Still processing items: 1 items remaining..."
atexit.register(lambda: logging.getLogger("EventsWorker").warning(late))
run(kat, KatParams, ["--pairs.sources", "file:nowhere.jsonl"])
"""


def test_the_message_is_the_last_line_though_prefect_still_sends_events(tmp_path: Path, prefect_server: None) -> None:
    command = [sys.executable, "-c", LATE_EVENTS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "nowhere.jsonl does not exist" in ended.stderr.splitlines()[-1]


def test_a_server_that_is_not_there_is_one_message_and_status_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.kat", "--until", "terms"]
    nowhere = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **nowhere}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "error: Prefect's server cannot be reached (" in ended.stderr.splitlines()[-1]
    assert "unset PREFECT_API_URL" in ended.stderr.splitlines()[-1]
