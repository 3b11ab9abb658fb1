"""Presets and flags."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import flows.kat
from flows.cli import parse
from flows.params import PRESETS, ExperimentParams, KatParams, SampleRareParams, Stage, merged


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_and_its_values_arrive(preset: str) -> None:
    params = KatParams.model_validate({"preset": preset}).model_dump()
    assert merged(params, PRESETS[preset]) == params


def test_what_is_given_wins_over_the_preset() -> None:
    params = parse(KatParams, ["--preset", "full", "--reward.max-steps", "7"], "kat")
    assert isinstance(params, KatParams)
    assert params.reward.max_steps == 7
    assert params.policy.max_steps == PRESETS["full"]["policy"]["max_steps"]


def test_a_flag_of_one_letter_has_two_dashes_too() -> None:
    for flag in (["--k", "3"], ["--k=3"], ["-k", "3"]):
        params = parse(SampleRareParams, ["--emb", "e", *flag], "sample_rare")
        assert params.model_dump()["k"] == 3


def test_environment_variables_are_no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUT", "elsewhere")
    monkeypatch.setenv("PRESET", "full")
    assert parse(KatParams, [], "kat") == KatParams()


def test_lists_come_by_comma_or_by_repetition() -> None:
    both = parse(KatParams, ["--pairs.sources", "file:a", "--pairs.sources", "file:b"], "kat")
    assert both == parse(KatParams, ["--pairs.sources", "file:a,file:b"], "kat")


def test_help_lists_every_stage_with_its_descriptions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(KatParams, ["--help"], "python -m flows.kat")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for stage in ("terms", "pairs", "sft", "embed", "density", "reward", "policy", "diversity", "map"):
        assert f"--{stage}." in text
    assert text.startswith("usage: python -m flows.kat")


def test_one_flag_of_a_stage_leaves_the_experiments_own_defaults() -> None:
    assert ExperimentParams().diversity.completions == 16
    some = parse(ExperimentParams, ["--diversity.prompts", "50"], "experiment").diversity
    assert (some.prompts, some.completions) == (50, 16)
    assert parse(ExperimentParams, ["--diversity.completions", "4"], "experiment").diversity.completions == 4


def test_an_unknown_stage_to_refresh_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    for params in (KatParams, ExperimentParams):
        with pytest.raises(SystemExit) as stopped:
            parse(params, ["--refresh", "sft,nowhere"], "python -m flows.kat")
        assert stopped.value.code == 2
        message = capsys.readouterr().err
        assert "--refresh nowhere: " in message
        assert all(f"'{stage}'" in message for stage in get_args(Stage))


def test_every_task_of_the_main_flow_can_be_refreshed_by_its_stage() -> None:
    tree = ast.parse(Path(flows.kat.__file__).read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    used = {name.split(".")[1] for name in modules if name.startswith("tasks.") and name.endswith(".task")}
    assert parse(KatParams, ["--refresh", ",".join(get_args(Stage))], "kat").refreshed == used
    assert parse(ExperimentParams, ["--refresh", "map", "--refresh", "sft"], "x").refreshed == {"prompt_map", "sft"}


def test_the_ui_offers_the_stages_to_refresh() -> None:
    form = KatParams.model_json_schema()["properties"]["refresh"]
    assert (form["type"], form["default"]) == ("array", [])
    assert form["items"]["enum"] == list(get_args(Stage))
