"""The flow that trains and diagnoses a reducer, as its command line."""

import json
import sys
from pathlib import Path

import lambda_gen_rs as lam
import polars as pl
import pytest

from flows import cli
from flows.cli import parse
from flows.params import ReducerParams
from flows.reducer import reducer
from tasks.reducer.folder import load_reducer

LEARNT = {"model", "learning.json", "learning.svg"}
DIAGNOSED = {
    "diagnosis.json",
    "diagnosis.md",
    "predictions.parquet",
    "reductions.parquet",
    "heatmap.svg",
    "calibration.svg",
}
SMALL = ["--width", "16", "--layers", "3", "--num-processes", "1", "--characters", "1000", "--steps", "20"]


def here(*arguments: str) -> int:
    """A run in this process and the current folder; its exit status."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(reducer, ReducerParams, arguments)
    if isinstance(stopped.value.code, str):
        print(stopped.value.code, file=sys.stderr)
        return 1
    return stopped.value.code or 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    folder = tmp_path_factory.mktemp("reducer")
    for name, profile in (("new", "covering"), ("old", "shallow_naive")):
        spec = lam.RunSpec(seed=1, examples=4000, profile=profile, val_share=0.1, test_share=0.2)
        lam.write_run(folder / name, folder / f"{name}.records", spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert here("--data", "new", "--old-data", "old", *SMALL, "--diagnosis.traces", "20", "--out", "out") == 0
    return folder


def test_what_is_promised_lies_there(made: Path) -> None:
    assert {path.name for path in (made / "out").iterdir() if not path.name.startswith(".")} == LEARNT | DIAGNOSED
    rows = json.loads((made / "out/diagnosis.json").read_text())["rows"]
    assert {row["task"] for row in rows} == {"step", "nf", "whole"}
    assert {row["by"] for row in rows} == {"overall", "size", "depth", "redex_depth", "prefix", "growth", "steps"}
    for row in rows:
        assert row["low"] <= row["correct"] <= row["high"]
    predictions = pl.read_parquet(made / "out/predictions.parquet")
    test = pl.read_parquet(made / "new/test")
    assert sorted(predictions["term"]) == sorted(test["term"])
    overall = next(row for row in rows if row["task"] == "step" and row["by"] == "overall")
    right = predictions.join(test.select("term", truth="next_term"), on="term")
    assert overall["correct"] == right["next_term"].eq_missing(right["truth"]).mean()
    assert "⟦" in (made / "out/diagnosis.md").read_text()
    history = json.loads((made / "out/learning.json").read_text())["history"]
    assert history[-1]["step"] == 20


def test_the_same_command_learns_nothing_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    before = (made / "out/model/model.safetensors").stat().st_ino
    arguments = ["--data", "new", "--old-data", "old", *SMALL, "--diagnosis.traces", "20", "--out", "out"]
    kept = set((made / "data/reducer").iterdir())
    assert here(*arguments) == 0
    assert set((made / "data/reducer").iterdir()) == kept
    assert (made / "out/model/model.safetensors").stat().st_ino == before


@pytest.mark.parametrize("rows", ["new", "new/test"])
def test_a_model_is_diagnosed_on_a_corpus_or_one_split(
    rows: str, made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(made)
    out = str(tmp_path / "again")
    flags = ["--until", "diagnose", "--model", "out/model", "--diagnosis.traces", "20"]
    assert here(*flags, "--data", rows, "--out", out) == 0
    assert (Path(out) / "diagnosis.json").read_text() == (made / "out/diagnosis.json").read_text()
    assert not (Path(out) / "model").exists()


def test_two_models_are_compared(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    longer = [*SMALL[:-1], "60"]
    assert here("--data", "new", *longer, "--init", "out/model", "--diagnosis.traces", "20", "--out", "longer") == 0
    assert here("--compare", "out,longer", "--out", "compared") == 0
    found = json.loads((made / "compared/comparison.json").read_text())
    assert (found["a"], found["b"]) == ("out", "longer")
    one, other = (json.loads((made / name / "diagnosis.json").read_text())["rows"] for name in ("out", "longer"))
    assert [row["a"] for row in found["rows"]] == [row["correct"] for row in one]
    assert [row["b"] for row in found["rows"]] == [row["correct"] for row in other]
    assert "b less a" in (made / "compared/comparison.md").read_text()


def test_a_causal_model_goes_the_same_way(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    few = ["--diagnosis.rows", "4", "--diagnosis.traces", "1"]
    assert here("--data", "new", "--head", "causal", *SMALL, *few, "--out", "causal") == 0
    assert load_reducer(made / "causal/model").answers(["\\.0"])
    assert here("--data", "new", "--init", "causal/model", *SMALL, "--out", "mixed") == 1
    assert not (made / "mixed").exists()


def test_a_model_of_another_width_is_not_begun_with(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    assert here("--data", "new", *SMALL, "--width", "32", "--init", "out/model", "--out", "wider") == 1
    told = capsys.readouterr().err
    assert "is another network than --head pointer --width 32 --layers 3" in told
    assert "Traceback" not in told


def test_rows_of_another_notation_are_said(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    for name, term, said in (("foreign", "(λx.x) y", "'λ' is no symbol"), ("open", "((\\.0)", "is no term")):
        (made / name).mkdir()
        rows = pl.read_parquet(made / "new/test").head(3).with_columns(term=pl.lit(term))
        rows.write_parquet(made / name / "part-00000.parquet")
        assert here("--model", "out/model", "--data", name, "--out", "refused") == 1
        told = capsys.readouterr().err
        assert said in told
        assert "Traceback" not in told
    assert not (made / "refused").exists()


def test_a_folder_of_other_tables_is_not_compared(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    (made / "foreign-out").mkdir()
    pl.DataFrame({"term": ["x"]}).write_parquet(made / "foreign-out/predictions.parquet")
    assert here("--compare", "out,foreign-out", "--out", "refused") == 1
    assert "nothing to compare" in capsys.readouterr().err


def test_a_corpus_without_test_rows_is_refused_before_it_is_learnt_from(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    spec = lam.RunSpec(seed=2, examples=500, val_share=0.0, test_share=0.0)
    lam.write_run(made / "untested", made / "untested.records", spec)
    assert here("--data", "untested", *SMALL, "--out", "refused") == 1
    assert "has no rows to diagnose on" in capsys.readouterr().err
    assert not (made / "refused").exists()
    assert here("--data", "new", "--exclude", "untested", *SMALL, "--out", "refused") == 1
    assert "--exclude would keep nothing out" in capsys.readouterr().err
    assert here("--data", "untested", "--until", "train", *SMALL, "--out", "learnt") == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--data", "nowhere"], "holds no rows of flows.lambda_terms"),
        (["--data", "new", "--model", "new"], "holds no reducer that loads"),
        (["--data", "new", "--old-data", "out"], "holds no rows of flows.lambda_terms"),
        (["--compare", "out,new"], "nothing to compare"),
        (["--data", "new", "--out", "new/test"], "an input, which it would change"),
        (["--data", "new", "--init", "out/model", "--out", "out"], "an input, which it would change"),
    ],
)
def test_what_cannot_be_used_is_said(
    flags: list[str], said: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(made)
    assert here("--out", "refused", *flags, *([] if "--compare" in flags else SMALL)) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert not (made / "refused").exists()


def test_a_preset_is_begun_from_and_flags_win() -> None:
    demo, full = (parse(ReducerParams, flags, "reducer") for flags in ([], ["--preset", "full", "--width", "64"]))
    assert demo == parse(ReducerParams, ["--preset", "demo"], "reducer")
    assert (demo.num_processes, full.num_processes) == (2, 1)
    assert (full.width, full.layers) == (64, 10)
    causal = parse(ReducerParams, ["--head", "causal", "--steps", "7", "--diagnosis.traces", "5"], "reducer")
    assert (causal.num_processes, causal.width, causal.steps) == (2, 64, 7)
    assert (causal.diagnosis.rows, causal.diagnosis.traces) == (3000, 5)
    with pytest.raises(SystemExit):
        parse(ReducerParams, ["--preset", "huge"], "reducer")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--mix", "1"], "less than 1"),
        (["--compare", "a"], "two folders"),
        (["--model", "m", "--until", "train"], "model is diagnosed as it is"),
        (["--model", "m", "--exclude", "e"], "model is diagnosed as it is"),
        (["--compare", "a,b", "--model", "m"], "two diagnoses that are there"),
        (["--mix", "0.5"], "share of an old corpus"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(ReducerParams, flags, "reducer")
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
