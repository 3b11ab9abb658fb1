"""Presets and flags."""

import pytest

from flows.cli import parse
from flows.params import PRESETS, ExperimentParams, KatParams, SampleRareParams, merged


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
