"""Arms with several seeds on a tiny model: what lies where, what is shared with kat, what is done again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from prefect.settings import PREFECT_API_URL
from safetensors.torch import load_file

from flows.cli import _from_earlier_runs
from flows.experiment import experiment
from flows.kat import kat
from flows.params import ExperimentParams, KatParams
from tasks.policy.params import Arm
from tests.flows.test_kat import TINY

ROOT = Path(__file__).parents[2]
ARMS = get_args(Arm)
SMALL: dict[str, Any] = {name: of for name, of in TINY.items() if name != "map"} | {
    "seeds": 2,
    "arms": list(ARMS),
    "rnd": {"epochs": 2},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        experiment(ExperimentParams.model_validate(SMALL))
    return folder


def test_every_arm_and_seed_has_its_folder(made: Path) -> None:
    for arm in ARMS:
        for seed in (0, 1):
            folder = made / f"data/out/experiment/arms/{arm}/seed-{seed}"
            assert {path.name for path in folder.iterdir() if path.name[0] != "."} == {
                *("model", "log.json", "schedule.parquet", "settings.json")
            }
            schedule = pl.read_parquet(folder / "schedule.parquet")
            assert schedule["expected"].sum() == pytest.approx(schedule["seen"].sum())


def test_seeds_differ_and_the_placebo_is_as_uneven_as_density(made: Path) -> None:
    weights = [
        load_file(made / f"data/out/experiment/arms/density/seed-{seed}/model/model.safetensors")[
            "model.embed_tokens.weight"
        ]
        for seed in (0, 1)
    ]
    assert (weights[0] != weights[1]).any()
    of = {
        arm: pl.read_parquet(made / f"data/out/experiment/arms/{arm}/seed-0/schedule.parquet")["expected"]
        for arm in ARMS
    }
    assert of["placebo"].sort().to_list() == pytest.approx(of["density"].sort().to_list())
    assert of["placebo"].to_list() != pytest.approx(of["density"].to_list())
    assert of["density-by-novelty"].to_list() != pytest.approx(of["density"].to_list())


def test_an_arm_is_drawn_by_its_own_weights(made: Path) -> None:
    out = made / "data/out/experiment"
    weights = pl.read_parquet(out / "weights_by_novelty.parquet")
    drawn = pl.read_parquet(out / "arms/density-by-novelty/seed-0/schedule.parquet").join(weights, on="id")
    assert (drawn["expected"] / drawn["expected"].sum()).to_list() == pytest.approx(
        (drawn["weight"] / drawn["weight"].sum()).to_list()
    )


def test_the_comparison_is_over_both_seeds_and_claims_nothing(made: Path) -> None:
    comparison = json.loads((made / "data/out/experiment/comparison.json").read_text())
    assert list(comparison["arms"]) == ["sft", *ARMS]
    assert comparison["seeds"] == 2
    primary = comparison["contrasts"]["density-placebo"]["distinct_correct"]
    assert {"difference", "low", "high", "sign_flip_p", "equivalence"} <= set(primary)
    assert len(primary["by_seed"]) == 2
    assert set(comparison["schedule"]["placebo"]) == {"ess", "chi_square", "p", "furthest"}
    report = (made / "data/out/experiment/report.md").read_text()
    assert "cannot fall below p = 0.5" in report
    for picture in ("forest.svg", "training.svg"):
        assert (made / "data/out/experiment" / picture).read_text().startswith("<?xml")


def test_another_seed_trains_only_what_is_new_and_kat_shares_the_first(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    before = {path.name for path in (made / "data/policy").glob("[!.]*")}
    experiment(ExperimentParams.model_validate({**SMALL, "seeds": 3, "arms": ["uniform", "density"]}))
    after = {path.name for path in (made / "data/policy").glob("[!.]*")}
    assert before < after
    assert len(after - before) == 2
    kat(KatParams.model_validate({**TINY, "until": "policy"}))
    assert {path.name for path in (made / "data/policy").glob("[!.]*")} == after


def test_arms_and_seeds_of_an_earlier_run_are_named(made: Path) -> None:
    out = made / "data/out/experiment"
    mine = {f"arms/uniform/seed-0/{name}": out / f"arms/uniform/seed-0/{name}" for name in ("model", "log.json")}
    left = _from_earlier_runs({**mine, "report.md": out / "report.md"})
    assert "arms/placebo/seed-1/model" in left
    assert "arms/uniform/seed-0/settings.json" in left
    assert not {"arms/uniform/seed-0/model", "report.md"} & set(left)


def test_policies_train_side_by_side_and_spread_is_judged_by_another_encoder(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    policy = {**SMALL["policy"], "side_by_side": 2}
    given = {**SMALL, "arms": ["uniform", "density"], "policy": policy, "embed": {"encoder": "minilm"}}
    before = {path.name for path in (made / "data/policy").glob("[!.]*")}
    experiment(ExperimentParams.model_validate(given))
    new = {path.name for path in (made / "data/policy").glob("[!.]*")} - before
    manifests = [json.loads((made / f"data/policy/{name}/manifest.json").read_text()) for name in new]
    assert [made["params"]["arm"] for made in manifests].count("density") == 2
    measured = [json.loads(path.read_text()) for path in (made / "data/diversity").glob("*/manifest.json")]
    assert {of["params"]["spread_by"] for of in measured if "spread_by" in of["params"]} == {"minilm", "sft"}


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_policies_side_by_side_with_one_message(
    stop: signal.Signals, made: Path, prefect_server: None
) -> None:
    policy = {**SMALL["policy"], "max_steps": 5000, "max_tokens": 10**9, "side_by_side": 2, "seed": int(stop)}
    given = {name: of for name, of in {**SMALL, "policy": policy}.items() if isinstance(of, dict)}
    flags = [
        f"--{stage}.{name.replace('_', '-')}" + ("" if value is True else f"={value}")
        for stage, of in given.items()
        for name, value in of.items()
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    command = [sys.executable, "-m", "flows.experiment", *flags, "--seeds=2", "--arms=uniform,density", "--out=stopped"]
    run = subprocess.Popen(command, cwd=made, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    before = {path.name for path in (made / "data/policy").glob("[!.]*")}
    for line in run.stdout or []:
        if "GRPO, uniform" in line or "GRPO, density" in line:
            run.send_signal(stop)
            break
    rest, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert {path.name for path in (made / "data/policy").glob("[!.]*")} == before
    assert rest.splitlines()[-1].startswith("interrupted: finished stages are kept")
