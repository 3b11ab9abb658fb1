"""The comparison against answers whose measures are known, and a report that claims no more."""

import json

import numpy as np
import polars as pl
import pytest

from tasks.diversity.compare import Samples, compare, contrasts, density_deciles
from tasks.diversity.held_out import held_out_prompts
from tasks.diversity.report import training_verdict, write_report
from tasks.errors import InputError
from tasks.rewards import RewardMix
from tasks.sft.scratch import train_tokenizer

TOKENIZER = train_tokenizer(["a prompt", "normal form"] * 9, 300)
RIGHT = ["\\.\\.0", "\\.\\.1"]  # closed normal forms of three nodes
META = json.dumps({"family": "make_normal", "size": 3})
PROMPTS = pl.DataFrame(
    {
        "source": ["a"] * 5 + ["b"] * 5,
        "meta": [META] * 10,
        "density": np.linspace(0, 1, 10),
        "weight": [2.0] * 5 + [0.5] * 5,
    },
)


def samples(answers: list[str], score: float = 0.0) -> Samples:
    return Samples([answers] * 10, np.full((10, len(answers)), score))


def comparison(**arms: Samples) -> dict:
    texts = {text for arm in arms.values() for answers in arm.answers for text in answers}
    vectors = {text: np.eye(4, dtype=np.float32)[i % 4] for i, text in enumerate(sorted(texts))}
    return compare(PROMPTS, arms, vectors, RewardMix(model_weight=0.5), token_budget=4, resamples=200, seed=0)


WIDE = comparison(
    sft=samples(["\\.0", "no", "no", "no"]),
    uniform=samples([RIGHT[0]] * 4, 2.0),
    density=samples([*RIGHT, RIGHT[0], "no"], 2.0),
)


def test_shares_and_distinct_right_answers_are_those_of_the_checker() -> None:
    mean = {arm: {name: of["mean"] for name, of in metrics.items()} for arm, metrics in WIDE["arms"].items()}
    assert [mean[arm]["pass@1"] for arm in ("sft", "uniform", "density")] == [0.0, 1.0, 0.75]
    assert [mean[arm]["distinct_correct"] for arm in ("sft", "uniform", "density")] == [0, 1, 2]
    assert mean["uniform"]["entropy"] == 0
    assert mean["density"]["entropy"] == pytest.approx(-(2 / 3) * np.log(2 / 3) - (1 / 3) * np.log(1 / 3))
    assert mean["density"]["reward"] == pytest.approx(0.75 + 0.5 * 2.0)
    assert mean["uniform"]["embedding_spread"] == pytest.approx(0, abs=1e-6)


def test_contrasts_are_paired_differences() -> None:
    assert contrasts(["sft", "uniform", "density", "placebo"]) == [
        ("uniform", "sft"),
        ("density", "sft"),
        ("placebo", "sft"),
        ("density", "uniform"),
        ("placebo", "uniform"),
    ]
    assert WIDE["contrasts"]["density-uniform"]["distinct_correct"]["difference"] == 1.0
    assert WIDE["contrasts"]["uniform-sft"]["pass@1"]["difference"] == 1.0


def test_without_a_checker_good_is_above_the_sft_models_median_score() -> None:
    prompts = PROMPTS.with_columns(meta=pl.lit(None, pl.String))
    sft = Samples([["a", "b"]] * 10, np.tile([0.0, 1.0], (10, 1)))
    arm = Samples([["a", "b"]] * 10, np.tile([0.4, 0.6], (10, 1)))
    vectors = {"a": np.ones(1, np.float32), "b": np.ones(1, np.float32)}
    made = compare(prompts, {"sft": sft, "uniform": arm}, vectors, RewardMix(), token_budget=4, resamples=100, seed=0)
    assert made["arms"]["uniform"]["distinct_correct"]["mean"] == 1.0  # the median is 0.5
    assert made["arms"]["uniform"]["pass@1"]["n"] == 0
    assert made["arms"]["uniform"]["reward"]["mean"] == pytest.approx(0.5)


def test_by_source_and_decile_parts_add_up_to_the_whole() -> None:
    assert sum(of["pass@1"]["n"] for of in WIDE["by_source"]["density"].values()) == 10
    assert [of["n"] for of in WIDE["by_density_decile"]["density"]["pass@1"]] == [1] * 10


def test_the_first_decile_is_the_rarest() -> None:
    density = np.random.default_rng(0).permutation(100) / 100
    deciles = density_deciles(density)
    assert (density[deciles == 0] < 0.1).all()
    assert (np.bincount(deciles) == 10).all()


DENSITY = {"ess_share": 0.6, "alpha": 2.0, "cap": 20.0, "capped": 0}
ACCURACY = {"by_source": [{"source": "all", "pairs": 9, "accuracy": 0.7, "length_only": 0.5}]}
SETTINGS = [{"arm": "uniform", "beta": 0.02, "loss_type": "dr_grpo"}]


def test_the_report_shows_what_was_set_and_what_the_weights_favour() -> None:
    report = write_report(WIDE, DENSITY, ACCURACY, SETTINGS)
    assert "| uniform | 0.02 | dr_grpo |" in report
    assert "| a | 2.00 |" in report
    assert "| b | 0.50 |" in report


def test_the_report_judges_the_reward_model_against_length() -> None:
    beaten = {"by_source": [{"source": "all", "pairs": 9, "accuracy": 0.5, "length_only": 0.6}]}
    assert "it beats length" in write_report(WIDE, DENSITY, ACCURACY, SETTINGS)
    assert "DOES NOT BEAT LENGTH" in write_report(WIDE, DENSITY, beaten, SETTINGS)


def test_the_report_names_sources_outside_the_band_that_grpo_learns_in() -> None:
    assert "except on a 0%, b 0%" in write_report(WIDE, DENSITY, ACCURACY, SETTINGS)


def test_the_report_says_whether_training_worked() -> None:
    assert "training worked" in write_report(WIDE, DENSITY, ACCURACY, SETTINGS)
    same = samples(["\\.0", "no", "no", "no"])
    flat = write_report(comparison(sft=same, uniform=same), DENSITY, ACCURACY, SETTINGS)
    assert "TRAINING DID NOT WORK" in flat
    assert "training worked" not in flat


def test_the_report_says_that_one_seed_is_too_few() -> None:
    assert "no difference between arms can be called significant" in write_report(WIDE, DENSITY, ACCURACY, SETTINGS)


def test_held_out_prompts_are_balanced_by_source_and_repeat_by_seed() -> None:
    table = pl.DataFrame(
        {
            "id": [f"{i:03}" for i in range(110)],
            "prompt": ["p"] * 110,
            "source": ["common"] * 100 + ["rare"] * 10,
            "meta": [None] * 110,
            "split": ["eval"] * 110,
        },
        schema_overrides={"meta": pl.String},
    )
    drawn, too_long = held_out_prompts(table, 30, 0, TOKENIZER, 8)
    assert too_long == 0
    assert drawn.equals(held_out_prompts(table.reverse(), 30, 0, TOKENIZER, 8)[0])
    assert not drawn.equals(held_out_prompts(table, 30, 1, TOKENIZER, 8)[0])
    assert dict(drawn.group_by("source").len().iter_rows()) == {"common": 20, "rare": 10}
    longer = table.with_columns(prompt=pl.when(pl.col("source") == "rare").then(pl.lit("p" * 99)).otherwise("prompt"))
    asked, too_long = held_out_prompts(longer, 200, 0, TOKENIZER, 8)
    assert (len(asked), too_long) == (100, 10)
    for none_left in (table.with_columns(split=pl.lit("train")), longer.filter(source="rare")):
        with pytest.raises(InputError, match="No prompt of at most 8 tokens is held out"):
            held_out_prompts(none_left, 30, 0, TOKENIZER, 8)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.1, 0.3, "training worked"), (-0.1, 0.3, "DID NOT WORK"), (-0.3, -0.1, "DID HARM")],
)
def test_the_verdict_follows_the_interval(low: float, high: float, said: str) -> None:
    assert said in training_verdict({"reward": {"difference": (low + high) / 2, "low": low, "high": high}})


def test_answers_without_a_checker_are_good_above_the_median_of_their_own_kind() -> None:
    """High scores on checked prompts do not raise the bar for the others."""
    mixed = PROMPTS.with_columns(meta=pl.when(pl.col("source") == "a").then("meta"))
    scores = np.where(mixed["meta"].is_null().to_numpy()[:, None], [[0.0, 1.0]], [[50.0, 60.0]])
    sft = Samples([["x", "y"]] * 10, scores)
    vectors = {text: np.array([1.0, 0.0], dtype=np.float32) for text in ("x", "y")}
    found = compare(mixed, {"sft": sft}, vectors, RewardMix(), token_budget=2, resamples=100, seed=0)
    assert found["by_source"]["sft"]["b"]["distinct_correct"]["mean"] == 1.0
