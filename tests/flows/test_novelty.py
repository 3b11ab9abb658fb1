"""Experiments on made-up problems: what lies where, what is done again, what a kill costs."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.novelty import novelty
from flows.params import NoveltyFlowParams
from tasks.errors import InputError
from tasks.novelty.experiment import run_rnd_experiment_precomputed

ROOT = Path(__file__).parents[2]
DETECTORS = {"rnd", "rnd_ensemble", "gp_rnd", "knn_5", "knn_10", "mahalanobis", "lof", "isolation_forest", "length"}
SMALL = "target_layers: [8, 4], predictor_layers: [16, 4], num_train_samples: 40, num_epochs: 3"
OTHER = f"{SMALL}, encoder_name: gte, batch_size: 7"
BATCH = f"- {{name: first, {SMALL}}}\n- {{name: alike, {SMALL}}}\n- {{name: other, {OTHER}}}\n"
WORDS = {
    "math/sums": "add up {} and {}",
    "math/proofs": "prove the theorem of {} for {}",
    "law/cases": "the court of {} v. {}",
}
WORDS |= {"art/oil": "a painting of {} by {}"}


def write_problems(path: Path) -> None:
    names = [("Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "Gus")[n % 7] + str(n) for n in range(130)]
    rows = [
        {"id": f"{source}-{n}", "source": source, "problem": text.format(name, n * n), "solution": f"it is {n}"}
        for source, text in WORDS.items()
        for n, name in enumerate(names)
    ]
    pl.DataFrame(rows).write_parquet(path)


def given(folder: Path, **more: object) -> NoveltyFlowParams:
    of = {"train_source": "math/sums", "novel_sources": ["math/proofs", "law/cases"], "judged_rows": 30, "seeds": 2}
    return NoveltyFlowParams.model_validate(
        {"data": folder / "problems.parquet", "experiments": folder / "batch.yaml", "resamples": 100, **of, **more}
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    folder = tmp_path_factory.mktemp("novelty")
    write_problems(folder / "problems.parquet")
    (folder / "batch.yaml").write_text(BATCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HF_HUB_OFFLINE", "1")
        novelty(given(folder))
    return folder


def test_every_experiment_seed_and_detector_is_in_the_tables(made: Path) -> None:
    out = made / "data/out/novelty"
    results = pl.read_parquet(out / "results.parquet")
    assert set(results["detector"]) == DETECTORS
    assert len(results) == 3 * 2 * len(DETECTORS) * 2
    assert set(results["novel_set"]) == {"math/proofs", "law/cases"}
    assert results["auroc"].is_between(0, 1).all()
    assert set(results["encoder"]) == {"minilm"}
    by_name = {
        name: results.filter(experiment=name).drop("experiment", "seconds") for name in ("first", "alike", "other")
    }
    assert by_name["first"].equals(by_name["alike"])
    assert not by_name["first"].equals(by_name["other"])
    scores = pl.read_parquet(out / "scores.parquet")
    assert scores.group_by("experiment", "seed", "detector").len()["len"].n_unique() == 1
    told = json.loads((out / "results.json").read_text())
    assert set(told["first"]) >= {"default_detector", "novel_sets"}
    assert set(told["first"]["novel_sets"]["law/cases"]["rnd"]) == {"auroc", "aupr", "fpr95"}
    assert told["other"]["parameters"]["encoder_name"] == "minilm"
    assert [path.name for path in (out / "embeddings").glob("[!.]*")] == ["minilm.parquet"]
    assert pl.read_parquet(out / "novelty.parquet").columns == ["id", "score"]


def test_the_report_stands_alone_and_says_what_stood_in(made: Path) -> None:
    out = made / "data/out/novelty"
    page = (out / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!#)', page)
    assert page.count("<svg") == 6
    assert len(list(out.glob("precomp_*.svg"))) == 6
    assert "gte (thenlper/gte-base) cannot be reached: minilm stands in for it." in page
    assert "add up" in page


def test_a_second_run_trains_nothing_and_another_seed_one_network(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def networks() -> int:
        return sum(len(pl.read_parquet(path)) for path in made.glob("data/novelty/[!.]*/networks.parquet"))

    before = networks()
    assert before == 6 + 6  # "alike" is trained with "first"
    novelty(given(made, resamples=101))
    assert networks() == before
    novelty(given(made, seeds=3))
    assert networks() == before + 2
    (made / "more.yaml").write_text(f"{BATCH}- {{name: more, {SMALL.replace('40', '45')}}}\n")
    novelty(given(made, experiments=made / "more.yaml", out=made / "more"))
    assert networks() == before + 2 + 6  # the rows that the others learn are the same


def test_one_experiment_by_itself_is_the_flows(made: Path) -> None:
    found = run_rnd_experiment_precomputed(
        num_train_samples=40,
        num_epochs=3,
        target_layers=(8, 4),
        predictor_layers=(16, 4),
        embeddings_dir=made / "data/out/novelty",
        save_dir=made / "one",
        seed=1,
    )
    results = pl.read_parquet(made / "data/out/novelty/results.parquet")
    mine = results.filter(experiment="first", seed=1, detector="rnd").select("novel_set", "auroc")
    for name, auroc in mine.iter_rows():
        assert found["novel_sets"][name]["auroc"] == pytest.approx(auroc, abs=0.03)  # the flow's may be in bfloat16
    assert json.loads((made / "one/rnd.json").read_text()) == found


def test_batches_side_by_side(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (made / "single.yaml").write_text(f"- {{name: single, {SMALL}}}\n")
    novelty(given(made, experiments=made / "single.yaml", novel_sources=["math/proofs"], out=made / "single"))
    folders = [made / "data/out/novelty", made / "single"]
    novelty(given(made, compare=folders, out=made / "compared"))
    table = pl.read_csv(made / "compared/comparison.csv")
    assert table.group_by("batch").len().sort("len")["len"].to_list() == [len(DETECTORS), 3 * len(DETECTORS)]
    assert set(table["encoder"]) == {"minilm"}
    assert table.filter(batch=str(folders[1]))["law/cases"].null_count() == len(DETECTORS)
    assert "| law/cases |" in (made / "compared/comparison.md").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"num_train_samples": 1}, "num_train_samples: Input should be greater than or equal to 2"),
        ({"num_train_samples": 1000}, "holds 40 rows to learn, fewer than num_train_samples 1000"),
        ({"encoder_name": "gte"}, r"gte\.parquet is not there; what lies there is minilm.*\. Encode with this encoder"),
        ({"embeddings_dir": "nowhere"}, r"known\.parquet is not there"),
        ({"save_dir": "/proc/none"}, "cannot be written"),
        ({"learning_rate": 1e30, "normalize_embeddings": True}, "Training diverged"),
    ],
)
def test_what_one_experiment_cannot_use_is_said(given: dict[str, Any], said: str, made: Path) -> None:
    folder = made / "data/out/novelty"
    small = {"num_train_samples": 40, "num_epochs": 2, "embeddings_dir": folder}
    with pytest.raises(InputError, match=said):
        run_rnd_experiment_precomputed(**{**small, **given})


def test_a_killed_run_goes_on_with_what_is_missing(made: Path, tmp_path: Path) -> None:
    shape = "target_layers: [8, 4], predictor_layers: [16, 4], num_train_samples: 40"
    slow = f"- {{name: slow, {shape}, num_epochs: 200, batch_size: 1}}"
    (tmp_path / "batch.yaml").write_text(f"- {{name: quick, {shape}, num_epochs: 1}}\n{slow}\n")
    flags = {
        "data": made / "problems.parquet",
        "experiments": "batch.yaml",
        "train-source": "math/sums",
        "novel-sources": "math/proofs,law/cases",
        "judged-rows": 30,
        "seeds": 1,
    }
    arguments = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    run = start(tmp_path, *arguments)
    for line in run.stdout or []:
        if "experiment quick seed 4 done" in line:
            run.send_signal(signal.SIGKILL)
            break
    run.wait()
    again, _ = start(tmp_path, *arguments).communicate()
    assert "made 5, reused 5" in again, again
    assert "experiment slow seed 4 done" in again
    assert "experiment quick" not in again


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    from prefect.settings import PREFECT_API_URL

    env = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    command = [sys.executable, "-m", "flows.novelty", *arguments]
    return subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
