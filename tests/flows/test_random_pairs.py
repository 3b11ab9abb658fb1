"""The flow that draws random pairs, as its command line."""

import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from flows import cli
from flows.cli import parse
from flows.params import RandomPairsFlowParams
from flows.random_pairs import random_pairs
from tasks.token_vectors import read_tokens, token_sizes

SMALL = ["--num-samples", "70", "--min-len", "2", "--max-len", "4", "--hidden-dim", "6", "--output-dir", "made"]
FILES = {"nl_embeddings_random.parquet", "lean_embeddings_random.parquet", "truth.safetensors"}


def here(*arguments: str) -> int:
    """A run in this process and the current folder; its exit status."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(random_pairs, RandomPairsFlowParams, arguments)
    if isinstance(stopped.value.code, str):
        print(stopped.value.code, file=sys.stderr)
        return 1
    return stopped.value.code or 0


def test_pairs_and_truth_stand_under_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prefect_server: None
) -> None:
    monkeypatch.chdir(tmp_path)
    assert here(*SMALL, "--preset", "hard") == 0
    said = capsys.readouterr().out
    assert all(f"made/{name}" in said for name in FILES)
    sides = [list(read_tokens(tmp_path / "made" / name, 6)) for name in sorted(FILES)[:2]]
    for left, right in zip(*sides, strict=True):
        assert left.ids == right.ids
        assert (left.vectors - right.vectors).shape[1] == 6
    assert token_sizes(tmp_path / "made/nl_embeddings_random.parquet")[::2] == (70, 6)
    truth = load_file(tmp_path / "made/truth.safetensors")
    assert truth["pair_matrix"].shape == (6, 6)


def test_presets_are_those_of_the_readme_and_what_is_given_wins() -> None:
    hard = parse(RandomPairsFlowParams, ["--preset", "hard", "--noise-scale", "0.1"], "random_pairs").pairs
    assert (hard.distribution_type, hard.affine_scale, hard.rotation_angle) == ("affine", 0.9, 0.5)
    assert hard.noise_scale == 0.1
    assert parse(RandomPairsFlowParams, ["--preset", "medium"], "random_pairs").pairs == RandomPairsFlowParams().pairs
    assert parse(RandomPairsFlowParams, ["--preset", "easy"], "random_pairs").pairs.distribution_type == "coupled"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--min-len", "5", "--max-len", "4"], "min-len 5 is over max-len 4"),
        (["--num-samples", "0"], "--num-samples 0: "),
        (["--preset", "harder"], "--preset harder: "),
        (["--distribution-type", "affine", "--hidden-dim", "1"], "affine turns planes of two numbers"),
        (["--lean-cov-scale", "0"], "--lean-cov-scale 0: "),
        (["--mean-shift", "nan"], "--mean-shift nan: "),
        (["--noise", "1"], "--noise"),
    ],
)
def test_bad_flags_end_with_one_message(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert here(*flags) == 2
    said = capsys.readouterr().err
    assert (said.count(message), said.count("error: ")) == (1, 1)


def test_a_place_that_cannot_be_written_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prefect_server: None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made").write_text("a file")
    assert here(*SMALL) == 1
    assert capsys.readouterr().err.count("made cannot be written") == 1
