"""The flow that learns a map, as its command line: what lies where, what is done again, what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from flows import cli
from flows.cli import parse
from flows.neural_ot import neural_ot
from flows.params import NeuralOtParams, RandomPairsFlowParams
from flows.random_pairs import random_pairs
from tasks.token_vectors import Tokens, read_tokens, write_tokens
from tasks.transport.maps import load_map

BASE = ["identity", "mean_shift", "bures", "ridge", "emd"]
FILES = {"report.json", "report.md", "projections.svg", "training.svg", "retrieval.svg", "transported.parquet", "map"}


def here(*arguments: str) -> int:
    """A run in this process and the current folder; its exit status."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(neural_ot, NeuralOtParams, arguments)
    if isinstance(stopped.value.code, str):
        print(stopped.value.code, file=sys.stderr)
        return 1
    return stopped.value.code or 0


def config(folder: Path, name: str = "config.yaml", **more: Any) -> Path:
    pairs = folder / "pairs"
    of = {
        "nl_embeddings": str(pairs / "nl_embeddings_random.parquet"),
        "lean_embeddings": str(pairs / "lean_embeddings_random.parquet"),
        "hidden_dim": 8,
        "truth": str(pairs / "truth.safetensors"),
        "steps": 10,
        "batch": 16,
        "emd_tokens": 200,
    }
    section = {key: value for key, value in {**of, **more}.items() if value is not None}
    (folder / name).write_text(yaml.safe_dump({"neural_ot": section, "another": {"programs": "own"}}))
    return folder / name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    folder = tmp_path_factory.mktemp("neural_ot")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        random_pairs(RandomPairsFlowParams(num_samples=40, min_len=8, max_len=20, hidden_dim=8, output_dir="pairs"))
        assert here("--config", str(config(folder, methods=["enot", "icnn"])), "--out", "out") == 0
    return folder


def test_what_is_promised_lies_there(made: Path) -> None:
    out = made / "out"
    assert {path.name for path in out.glob("[!.]*")} == FILES
    report = json.loads((out / "report.json").read_text())
    assert list(report["methods"]) == [*BASE, "enot", "icnn"]
    for of in report["methods"].values():
        assert {"uvp", "cosine", "paired_error", "recall", "energy_distance", "sliced_w2", "cost"} <= of.keys()
    assert report["methods"]["bures"]["uvp"] < 3
    assert report["counts"]["test"]["sequences"] == 8
    assert report["chance"]["1"]["recall"] == 1 / 8
    page = (out / "report.md").read_text()
    assert f"The map that is kept: **{report['default']}**" in page
    assert json.loads((out / "map/config.json").read_text())["method"] == report["default"]
    assert report["recall_changed_p"].keys() == {"1", "5", "10"}
    assert all(0 <= p <= 1 for p in report["recall_changed_p"].values())
    assert all(f"| {name} |" in page for name in report["methods"])


def test_all_tokens_are_moved_by_the_map_that_is_kept(made: Path) -> None:
    move = load_map(made / "out/map")
    before, after = (
        list(read_tokens(path, 8))
        for path in (made / "pairs/nl_embeddings_random.parquet", made / "out/transported.parquet")
    )
    assert [group.ids for group in before] == [group.ids for group in after]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(move(one.vectors), other.vectors)


def test_a_map_is_applied_to_other_tokens(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    tokens = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    write_tokens(made / "new.parquet", [Tokens(["a", "b"], np.array([2, 3]), tokens)], 8)
    assert here("--apply", "out/map", "--in", "new.parquet", "--out-file", "moved.parquet") == 0
    (moved,) = read_tokens(made / "moved.parquet", 8)
    assert moved.ids == ["a", "b"]
    np.testing.assert_array_equal(moved.vectors, load_map(made / "out/map")(tokens))


def test_another_method_learns_only_itself(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)

    def learnt() -> set[Path]:
        return set(made.glob("data/transport/[!.]*/learnt"))

    before = learnt()
    path = config(made, "more.yaml", methods=["icnn", "mmr"], tracker="none", truth=None)
    assert here("--config", str(path), "--out", "more", "--no-wandb") == 0
    assert len(learnt() - before) == 1
    report = json.loads((made / "more/report.json").read_text())
    assert list(report["methods"]) == [*BASE, "icnn", "mmr"]
    assert report["methods"]["icnn"]["uvp"] is None
    assert "The optimal map is not known here" in (made / "more/report.md").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hidden_dim": 9}, "has a token vector of 8 numbers, where 9 are needed"),
        ({"hidden_dim": None}, "neural_ot.hidden_dim: Field required"),
        ({"hiden_dim": 8}, "neural_ot.hiden_dim: Extra inputs are not permitted. Keys: "),
        ({"methods": ["enot", "enot"]}, "neural_ot.methods: methods names one twice"),
        ({"lean_embeddings": "nowhere.parquet"}, "nowhere.parquet does not exist"),
        ({"truth": "config.yaml", "steps": 12}, "config.yaml cannot be read as safetensors"),
        ({"truth": ""}, "neural_ot.truth: it is empty: give a file"),
        ({"lean_embeddings": "nan.parquet"}, "is not finite"),
        ({"lean_embeddings": "empty.parquet"}, "'row-3' has no token vectors"),
        ({"lean_embeddings": "other.parquet"}, "ids stand in one file only"),
        ({"tracker": "mlflow", "steps": 11}, "The tracker mlflow is not installed"),
    ],
)
def test_faults_end_with_one_message_and_nothing_half_written(
    given: dict[str, Any], said: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    write_faulty(made)
    capsys.readouterr()
    before = set(made.glob("data/transport/[!.]*/learnt"))
    assert here("--config", str(config(made, "faulty.yaml", **given)), "--out", "none") == 1
    assert set(made.glob("data/transport/[!.]*/learnt")) == before  # it is said before anything is learnt
    told = capsys.readouterr().err
    assert told.count(said) == 1
    assert "Traceback" not in told
    assert not (made / "none").exists()


def test_results_never_replace_what_they_are_made_from(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    moved = (made / "out/transported.parquet").read_bytes()
    (made / "link.parquet").unlink(missing_ok=True)
    (made / "link.parquet").symlink_to("out/transported.parquet")
    again = str(config(made, "again.yaml", nl_embeddings="link.parquet"))
    assert here("--config", again, "--out", "out") == 1
    assert here("--apply", "out/map", "--in", "link.parquet", "--out-file", "out/../out/transported.parquet") == 1
    model = (made / "out/map/model.safetensors").read_bytes()
    into = ["--out-file", "out/map/model.safetensors"]
    assert here("--apply", "out/map", "--in", "out/transported.parquet", *into) == 1
    assert capsys.readouterr().err.count("an input, which it would change") == 3
    assert (made / "out/transported.parquet").read_bytes() == moved
    assert (made / "out/map/model.safetensors").read_bytes() == model


def test_vectors_of_one_number_are_mapped_too(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    random_pairs(RandomPairsFlowParams(num_samples=20, min_len=4, max_len=9, hidden_dim=1, output_dir="line"))
    sides = {f"{side}_embeddings": f"line/{side}_embeddings_random.parquet" for side in ("nl", "lean")}
    path = config(made, "line.yaml", **sides, hidden_dim=1, truth="line/truth.safetensors")
    assert here("--config", str(path), "--out", "line/out") == 0
    assert "are too few to tell a gain from chance" in (made / "line/out/report.md").read_text()


def write_faulty(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, hidden in {"nan": [[float("nan")] * 8], "empty": [], "other": [[0.0] * 8]}.items():
        ids = [f"row-{number}" for number in range(10)]
        rows = [[[1.0] * 8]] * 3 + [hidden] + [[[1.0] * 8]] * 6
        kind = pa.list_(pa.list_(pa.float32(), 8))
        pq.write_table(pa.table({"id": ids, "hidden": pa.array(rows, kind)}), folder / f"{name}.parquet")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "give --config FILE to learn a map, or --apply"),
        (["--apply", "map"], "applying a map needs --apply, --in and --out-file"),
        (["--config", "a.yaml", "--apply", "m", "--in", "a", "--out-file", "b"], "and no --config"),
        (["--confg", "a.yaml"], "--confg"),
    ],
)
def test_bad_flags_end_with_one_message(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert here(*flags) == 2
    told = capsys.readouterr().err
    assert (told.count(said), told.count("error: ")) == (1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read as YAML"),
        ("a: [", "cannot be read as YAML"),
        ("a: 2020-13-45", "cannot be read as YAML"),
        ("[" * 3000, "cannot be read as YAML"),
        ("a: 1", "has no section neural_ot"),
    ],
)
def test_a_config_that_is_none_is_said(
    text: str | None, said: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    if text:
        (made / "bad.yaml").write_text(text)
    assert here("--config", "bad.yaml" if text else "missing.yaml") == 1
    assert capsys.readouterr().err.count(said) == 1


def test_in_is_the_flags_name_and_no_wandb_wins(tmp_path: Path) -> None:
    from tasks.transport.params import read_config

    given = parse(NeuralOtParams, ["--apply", "m", "--in", "a", "--out-file", "b"], "neural_ot")
    assert given.tokens == Path("a")
    path = config(tmp_path, tracker="wandb")
    assert read_config(path).tracker == "wandb"
    assert read_config(path, wandb=False).tracker == "none"


def test_no_tracker_is_imported(made: Path) -> None:
    assert not {"wandb", "mlflow", "tensorboard"} & set(sys.modules)
