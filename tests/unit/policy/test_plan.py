"""Which prompts an arm trains on, and with what reward."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from transformers import LlamaForSequenceClassification

from tasks.errors import InputError, TrainingError
from tasks.models import load_tokenizer, longest_prompt
from tasks.policy.params import PolicyParams
from tasks.policy.plan import arm_weights, count_table, draw_schedule, trainable
from tasks.policy.rewards import Seen, checker_reward, model_reward, read_seen, zero_variance_groups
from tasks.rewards import RewardMix
from tasks.scoring import score_answers
from tasks.scratch import small_llama, train_tokenizer

TOKENIZER = train_tokenizer(["a prompt", "normal form"] * 9, 300)
PARAMS = PolicyParams(max_steps=50, batch=8, generations=4)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    prompts = pl.DataFrame(
        {
            "id": ["a", "b", "c", "long"],
            "prompt": ["a prompt", "another", "held out", "word " * 50],
            "source": ["s"] * 4,
            "count": [1] * 4,
            "split": ["train", "train", "eval", "train"],
            "meta": [None] * 4,
        },
        schema_overrides={"meta": pl.String},
    )
    weights = pl.DataFrame({"id": ["long", "c", "b", "a"], "density": [0.1] * 4, "weight": [1.0, 1.0, 3.0, 1.0]})
    prompts.write_parquet(tmp_path / "prompts.parquet")
    weights.write_parquet(tmp_path / "weights.parquet")
    return tmp_path / "prompts.parquet", tmp_path / "weights.parquet"


def test_held_out_and_over_long_prompts_are_never_drawn(tables: tuple[Path, Path]) -> None:
    table, too_long = trainable(*tables, TOKENIZER, 20)
    assert too_long == 1
    assert dict(table.select("id", "weight").iter_rows()) == {"a": 1.0, "b": 3.0}
    assert len(draw_schedule("density", table, PARAMS)) == 50 * 8 / 4


def test_arms_differ_by_their_weights_alone(tables: tuple[Path, Path]) -> None:
    table, _ = trainable(*tables, TOKENIZER, 20)
    count = lambda arm: dict(draw_schedule(arm, table, PARAMS).group_by("id").len().iter_rows())  # noqa: E731
    assert count("uniform") == {"a": 50, "b": 50}
    assert count("density") == {"a": 25, "b": 75}


def test_the_placebo_has_the_same_weights_on_other_prompts() -> None:
    table = pl.DataFrame({"weight": np.arange(1.0, 101.0)})
    one, other, again = (arm_weights("placebo", table, seed) for seed in (0, 1, 0))
    assert sorted(one) == sorted(other) == list(table["weight"])
    np.testing.assert_array_equal(one, again)
    for placebo in (one, other):
        assert abs(np.corrcoef(placebo, table["weight"])[0, 1]) < 0.3
    assert (one != other).mean() > 0.9


def test_a_prompt_without_a_weight_is_named(tables: tuple[Path, Path], tmp_path: Path) -> None:
    pl.read_parquet(tables[1]).head(3).write_parquet(tmp_path / "few.parquet")
    with pytest.raises(TrainingError, match="Prompt a has no weight"):
        trainable(tables[0], tmp_path / "few.parquet", TOKENIZER, 20)


def test_no_prompt_short_enough_is_an_error(tables: tuple[Path, Path]) -> None:
    with pytest.raises(TrainingError, match=r"--policy\.max-prompt"):
        trainable(*tables, TOKENIZER, 1)


def test_the_checker_rewards_right_answers_and_leaves_the_rest_to_the_model() -> None:
    meta = json.dumps({"family": "make_normal", "size": 2})
    reward = checker_reward(RewardMix(checker_weight=2.0))
    assert reward(completions=["\\.0", " \\.0", "\\.1", "x"], meta=[meta, meta, meta, None]) == [2.0, 2.0, 0.0, None]


def test_the_model_scores_a_finished_completion_with_its_end_token() -> None:
    torch.manual_seed(0)
    llama = small_llama(TOKENIZER, hidden=16, layers=1, heads=2, positions=64, seed=0)
    llama.config.num_labels = 1
    judge = LlamaForSequenceClassification(llama.config)
    reward = model_reward(judge, TOKENIZER, RewardMix(model_weight=0.5))
    tokens = TOKENIZER("normal form")["input_ids"]
    finished, cut, beside_checker = reward(
        completion_ids=[[*tokens, TOKENIZER.eos_token_id], tokens, [*tokens, TOKENIZER.eos_token_id]],
        text=["a prompt"] * 3,
        meta=[None, None, "{}"],
    )
    expected = score_answers(judge, TOKENIZER, ["a prompt"], ["normal form"])[0]
    assert finished == pytest.approx(expected, abs=1e-5)
    assert beside_checker == pytest.approx(expected / 2, abs=1e-5)
    assert abs(cut - expected) > 1e-4


def test_what_was_seen_survives_a_kill_and_a_repeated_step_counts_once(
    tmp_path: Path, tables: tuple[Path, Path]
) -> None:
    def step(seen: Seen, number: int, ids: list[str]) -> None:
        state = SimpleNamespace(global_step=number)
        assert seen(completions=ids, id=ids, text=ids, trainer_state=state) == [0.0] * len(ids)

    seen = Seen(tmp_path / "work")
    step(seen, 0, ["a", "a"])
    step(seen, 1, ["b", "b"])
    with (tmp_path / "work/seen-0000.jsonl").open("a") as torn:
        torn.write('\n{"step": 2, "rows": [{"id": "a')
    again = Seen(tmp_path / "work")
    step(again, 1, ["b", "b"])
    step(again, 2, ["b", "b"])
    steps = read_seen(tmp_path / "work")
    assert {step: [row["id"] for row in rows] for step, rows in steps.items()} == {
        0: ["a"] * 2,
        1: ["b"] * 2,
        2: ["b"] * 2,
    }
    table, _ = trainable(*tables, TOKENIZER, 20)
    schedule = table[np.array([0, 1, 1])]
    counts = count_table("uniform", table, schedule, steps, PolicyParams(batch=2, generations=2))
    assert counts.select("id", "drawn", "seen").rows() == [("a", 1, 1.0), ("b", 2, 2.0)]


def test_what_several_processes_saw_is_one_batch_in_their_order(tmp_path: Path) -> None:
    state = SimpleNamespace(global_step=0)
    for rank in (1, 0):
        Seen(tmp_path, rank)(completions=["x"], id=[f"of {rank}"], text=["p"], trainer_state=state)
    assert [row["id"] for row in read_seen(tmp_path)[0]] == ["of 0", "of 1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_processes": 2}, "add --policy.launcher accelerate"),
        ({"num_processes": 3, "launcher": "accelerate"}, "batch=64 must be a multiple of num_processes=3"),
    ],
)
def test_processes_that_cannot_share_a_batch_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PolicyParams(**given)


def test_prompt_and_completion_fit_the_models_positions() -> None:
    model = small_llama(TOKENIZER, hidden=16, layers=1, heads=2, positions=64, seed=0)
    assert longest_prompt(model, 512, 24) == 40
    assert longest_prompt(model, 8, 24) == 8
    with pytest.raises(InputError, match="leave no room for a prompt among the model's 64 positions"):
        longest_prompt(model, 512, 64)


def test_a_tokenizer_without_an_end_token_is_refused(tmp_path: Path) -> None:
    endless = train_tokenizer(["a prompt"] * 9, 300)
    endless.eos_token = None
    endless.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has no end-of-sequence token"):
        load_tokenizer(tmp_path)


def test_groups_of_one_verdict_or_one_answer_have_no_variance() -> None:
    make = json.dumps({"family": "make_normal", "size": 3})
    right, wrong = "\\.\\.0", "no"
    said = [("a", [right, wrong]), ("a", ["\\.\\.1", right]), ("b", ["x", "y"]), ("b", ["x", "x"])]
    rows = [{"id": name, "prompt": "p", "completion": one} for name, answers in said for one in answers]
    assert zero_variance_groups({0: rows, 3: rows[:2]}, {"a": make, "b": None}, 2) == {0: 0.5, 3: 0.0}
