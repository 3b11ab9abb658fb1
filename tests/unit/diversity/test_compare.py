"""The comparison against answers whose measures are known, and a report that claims no more."""

import html
import json
import re
from itertools import permutations
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest

from flows.params import ExperimentParams
from tasks.diversity.compare import compare, contrasts, density_deciles, primary_contrast
from tasks.diversity.held_out import held_out_prompts
from tasks.diversity.inputs import schedule_figures
from tasks.diversity.measure import Base, Samples, measure
from tasks.diversity.metrics import vocabulary_ratios
from tasks.diversity.pictures import forest, training_curves
from tasks.diversity.report import answer, training_verdict, write_report
from tasks.errors import InputError
from tasks.policy.params import Arm
from tasks.rewards import RewardMix
from tasks.scratch import train_tokenizer

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


def told(answers: list[list[str]], scores: np.ndarray) -> Samples:
    return Samples(answers, scores, np.ones(scores.shape, dtype=bool), np.zeros(len(scores)))


def samples(answers: list[str], score: float = 0.0) -> Samples:
    return told([answers] * 10, np.full((10, len(answers)), score))


MIX = RewardMix(model_weight=0.5)


def comparison(prompts: pl.DataFrame = PROMPTS, mix: RewardMix = MIX, **arms: Samples | list[Samples]) -> dict:
    """The comparison of arms, each with its seeds."""
    by_seed = {arm: said if isinstance(said, list) else [said] for arm, said in arms.items()}
    texts = {text for said in by_seed.values() for one in said for answers in one.answers for text in answers}
    vectors = {text: np.eye(4, dtype=np.float32)[i % 4] for i, text in enumerate(sorted(texts))}
    metas = prompts["meta"].to_list()
    base = Base.of(by_seed["sft"][0])
    measured = {arm: [measure(metas, one, base, vectors, mix) for one in said] for arm, said in by_seed.items()}
    flat = lambda one: [text for answers in one.answers for text in answers]  # noqa: E731
    words = {arm: [vocabulary_ratios(flat(one), 4) for one in said] for arm, said in by_seed.items()}
    log = [{"step": 1.0, "reward": 0.5, "kl": 0.1, "completions/mean_length": 4.0, "zero_variance_groups": 0.2}]
    trained = [arm for arm in by_seed if arm != "sft"]
    figures = {
        "completions": 4,
        "schedule": {arm: {"ess": 0.6, "chi_square": 3.0, "p": 0.9} for arm in trained},
        "training": {arm: {"reward": 0.5, "kl": 0.1} for arm in trained},
        "logs": {arm: [log] for arm in trained},
    }
    return compare(prompts, measured, words, resamples=200, seed=0) | figures


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
        ("density", "placebo"),
    ]
    assert contrasts(get_args(Arm))[-2:] == [("density", "placebo"), ("density-by-novelty", "placebo")]
    assert primary_contrast(["sft", "uniform", "density", "placebo"]) == "density-placebo"
    assert primary_contrast(["sft", "uniform", "density"]) == "density-uniform"
    assert primary_contrast(["sft", "uniform"]) is None
    assert WIDE["contrasts"]["density-uniform"]["distinct_correct"]["difference"] == 1.0
    assert WIDE["contrasts"]["uniform-sft"]["pass@1"]["difference"] == 1.0


def test_without_a_checker_good_answers_are_those_above_sfts_median_for_the_prompt_and_their_spread_counts() -> None:
    prompts = PROMPTS.with_columns(meta=pl.lit(None, pl.String))
    easy = np.where(np.arange(10) < 5, 0.0, 10.0)[:, None]  # scores compare answers to one prompt only
    sft = told([["a", "b", "c"]] * 10, easy + np.tile([0.0, 0.5, 1.0], (10, 1)))
    wide = told([["a", "b", "c"]] * 10, easy + np.tile([0.4, 0.6, 0.7], (10, 1)))
    same = told([["a", "b", "b"]] * 10, easy + np.tile([0.4, 0.6, 0.7], (10, 1)))
    made = comparison(prompts, RewardMix(), sft=sft, uniform=same, density=wide)
    assert made["primary"] == {"contrast": "density-uniform", "metric": "good_spread"}
    assert made["arms"]["density"]["good_spread"]["mean"] == pytest.approx(1.0)  # b and c lie at right angles
    assert made["arms"]["uniform"]["good_spread"]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert made["arms"]["sft"]["good_spread"]["n"] == 0  # one good answer has no spread
    assert made["arms"]["density"]["distinct_correct"]["n"] == made["arms"]["density"]["pass@1"]["n"] == 0


def test_answers_cut_by_the_limit_are_said() -> None:
    cut = Samples([["a"] * 4] * 10, np.zeros((10, 4)), np.tile([True, False, False, False], (10, 1)), np.zeros(10))
    report = write_report(comparison(sft=samples(["a"] * 4), uniform=cut), WEIGHTINGS, ACCURACY, SETTINGS)
    assert "MANY ANSWERS WERE CUT at the limit of tokens (sft 0%, uniform 75%)" in report
    assert "WERE CUT" not in write_report(WIDE, WEIGHTINGS, ACCURACY, SETTINGS)


def test_by_source_and_decile_parts_add_up_to_the_whole() -> None:
    assert sum(of["pass@1"]["n"] for of in WIDE["by_source"]["density"].values()) == 10
    assert [of["n"] for of in WIDE["by_density_decile"]["density"]["pass@1"]] == [1] * 10


def test_the_first_decile_is_the_rarest() -> None:
    density = np.random.default_rng(0).permutation(100) / 100
    deciles = density_deciles(density)
    assert (density[deciles == 0] < 0.1).all()
    assert (np.bincount(deciles) == 10).all()


WEIGHTINGS = {
    "density": {"ess_share": 0.6, "alpha": 2.0, "cap": 20.0, "capped": 0},
    "density-by-novelty": {"ess_share": 0.4, "alpha": 1.5, "cap": 20.0, "capped": 3},
}


def accuracy(
    share: float, length: tuple[float, float], writer: tuple[float, float] | None = None, low: float = 0.6
) -> dict[str, Any]:
    """A reward model's, beside guesses: their accuracy and p."""
    of = {"pairs": 9, "accuracy": share, "low": low, "high": 0.9}
    guesses = {
        f"{name}_{what}": value
        for name, guess in (("length", length), ("writer", writer or (None, None)))
        for what, value in zip(("only", "p"), guess, strict=True)
    }
    return {
        "by_source": [{"source": name, **of, **guesses} for name in ("all", "hub")],
        "by_length": [{"longer_by": "-3 … 2", **of}],
    }


ACCURACY = accuracy(0.7, (0.5, 0.01))
SETTINGS = [{"arm": "uniform", "beta": 0.02, "loss_type": "dr_grpo"}]


def test_the_report_shows_what_was_set_and_what_the_weights_favour() -> None:
    report = write_report(WIDE, WEIGHTINGS, ACCURACY, SETTINGS)
    assert "| uniform | 0.02 | dr_grpo |" in report
    assert "| a | 2.00 |" in report
    assert "| b | 0.50 |" in report
    assert "density: effective sample size 0.60 of the prompts at α = 2.00" in report
    assert re.search(r"^density-by-novelty: effective sample size 0.40 .* α = 1.50, .* reached: yes", report, re.M)


def test_intervals_of_few_seeds_stay_in_what_a_measure_can_be() -> None:
    sure, half = samples(RIGHT), samples([RIGHT[0], "no"])
    made = comparison(sft=[sure] * 2, uniform=[sure, half], density=[half, sure])["arms"]["uniform"]
    assert made["pass@1"]["high"] == 1.0
    assert all(0 <= of["low"] <= of["high"] for name, of in made.items() if name != "reward" and of["n"])


@pytest.mark.parametrize(
    ("length", "writer", "low", "said"),
    [
        ((0.5, 0.01), None, 0.6, "in the right order. It beats a guess by length (50.0%, p = 0.01)."),
        ((0.5, 0.01), (0.6, 0.04), 0.6, "It beats a guess by who wrote it (60.0%, p = 0.04)."),
        ((0.66, 0.2), None, 0.6, "NOT SHOWN TO BEAT A GUESS BY LENGTH, so do not trust its scores (66.0%, p = 0.2)."),
        ((0.9, 0.001), None, 0.6, "A GUESS BY LENGTH BEATS IT: do not trust its scores (90.0%, p = 0.001)."),
        ((0.5, 0.01), (0.7, 1.0), 0.6, "NOT SHOWN TO BEAT A GUESS BY WHO WROTE IT"),
        ((0.5, 0.01), None, 0.5, "NOT CLEAR OF CHANCE on hub"),
    ],
)
def test_the_report_judges_the_reward_model_against_shortcuts_and_chance(
    length: tuple[float, float], writer: tuple[float, float] | None, low: float, said: str
) -> None:
    report = write_report(WIDE, WEIGHTINGS, accuracy(0.7, length, writer, low), SETTINGS)
    assert said in report
    assert ("CHANCE on" in report) == (low <= 0.5)
    assert f"| -3 … 2 | 9 | 70.0% [{low:.1%}, 90.0%] |" in report


def test_the_report_names_sources_outside_the_band_that_grpo_learns_in() -> None:
    assert "except on a 0%, b 0%" in write_report(WIDE, WEIGHTINGS, ACCURACY, SETTINGS)


def test_the_report_says_whether_training_worked() -> None:
    assert "training worked" in write_report(WIDE, WEIGHTINGS, ACCURACY, SETTINGS)
    same = samples(["\\.0", "no", "no", "no"])
    flat = write_report(comparison(sft=same, uniform=same), WEIGHTINGS, ACCURACY, SETTINGS)
    assert "TRAINING DID NOT WORK" in flat
    assert "training worked" not in flat


def test_the_report_says_that_one_seed_is_too_few() -> None:
    assert "no difference between arms can be called significant" in write_report(WIDE, WEIGHTINGS, ACCURACY, SETTINGS)


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


ONE = json.dumps({"family": "one_step", "term": "(\\.0)(\\.1)"})


def test_prompts_with_one_right_answer_say_nothing_of_diversity() -> None:
    only = json.dumps({"family": "any_step", "term": "(\\.0)(\\.0)"})
    several = json.dumps({"family": "any_step", "term": "(\\.0)((\\.00)(\\.0))"})
    mixed = PROMPTS.with_columns(meta=pl.Series([ONE, only, several, *[META] * 7]))
    found = comparison(mixed, sft=samples(["\\.0"] * 4))
    assert found["arms"]["sft"]["distinct_correct"]["n"] == found["arms"]["sft"]["entropy"]["n"] == 8
    assert found["arms"]["sft"]["pass@1"]["n"] == 10


def seeds(*right: int) -> list[Samples]:
    """For each seed, so many different right answers to every prompt."""
    return [samples([*RIGHT[:number], *["no"] * (4 - number)]) for number in right]


VARIED = told([[*RIGHT[: row % 3], *["no"] * (4 - row % 3)] for row in range(10)], np.zeros((10, 4)))


@pytest.mark.parametrize(
    ("density", "placebo", "said"),
    [
        ([2] * 6, [1] * 6, "Yes: it raises diversity"),
        ([0] * 6, [1] * 6, "No: it lowers diversity"),
        ([2, 0, 1, 2, 0, 1], [1] * 6, "Not decided.*: neither"),
        ([2] * 3, [1] * 3, r"Not decided.*p = 0\.25, so no difference"),
        ([1] * 5, [1] * 5, r"No difference larger than δ.*p = 0\.0625, so no difference"),
    ],
)
def test_the_answer_is_that_of_the_tests(density: list[int], placebo: list[int], said: str) -> None:
    base = [VARIED] * len(density)
    made = comparison(sft=base, uniform=base, density=seeds(*density), placebo=seeds(*placebo))
    assert re.search(said, answer(made))


def test_where_sft_never_varies_that_is_said_and_drawn() -> None:
    never = samples(["no"] * 4)
    made = comparison(sft=[never] * 2, uniform=[never] * 2, density=[VARIED] * 2, placebo=[never] * 2)
    assert "no margin can be set: train SFT longer" in answer(made)
    assert "not drawn, for SFT's answers do not vary in it: distinct_correct, entropy" in html.unescape(forest(made))


def test_arms_that_say_the_same_do_not_differ_by_delta() -> None:
    made = comparison(**{arm: [VARIED] * 6 for arm in ("sft", "uniform", "density", "placebo")})
    assert "No difference larger than δ" in answer(made)
    assert made["contrasts"]["density-placebo"]["distinct_correct"]["equivalence"]["delta"] == pytest.approx(
        0.2 * np.std([row % 3 for row in range(10)])
    )


@pytest.mark.parametrize("given", [*permutations(("uniform", "density")), *permutations(get_args(Arm))])
def test_the_question_is_among_the_contrasts_whatever_the_order_of_arms(given: tuple[Arm, ...]) -> None:
    arms = ExperimentParams(arms=list(given)).arms
    assert primary_contrast(arms) in [f"{arm}-{other}" for arm, other in contrasts(["sft", *arms])]


def test_secondary_metrics_are_corrected_for_their_number_and_the_primary_is_not() -> None:
    made = comparison(sft=seeds(*[0] * 6), uniform=seeds(*[1] * 6), density=seeds(*[2] * 6))
    tested = made["contrasts"]["density-uniform"]
    assert "holm_p" not in tested["distinct_correct"]
    assert tested["distinct_correct"]["sign_flip_p"] == pytest.approx(2 / 2**6)
    assert "holm_p" in made["contrasts"]["uniform-sft"]["distinct_correct"]
    assert tested["em_dashes"]["sign_flip_p"] is None
    others = [of for name, of in tested.items() if name != "distinct_correct"]
    assert all(of["holm_p"] is None or of["holm_p"] >= of["sign_flip_p"] for of in others)
    assert max(of["holm_p"] or 0 for of in others) > 2 / 2**6


def test_pictures_show_every_contrast_and_arm_and_are_the_same_bytes_each_time() -> None:
    made = comparison(sft=[VARIED] * 2, uniform=seeds(1, 1), density=seeds(2, 1))
    drawn = forest(made)
    assert "density less uniform" in drawn
    assert "distinct_correct *" in drawn
    assert drawn == forest(made)
    curves = training_curves(made["logs"])
    assert "uniform" in curves
    assert "density" in curves
    assert curves == training_curves(made["logs"])


def test_a_schedule_that_keeps_to_its_expectations_has_no_chi_square_and_another_has() -> None:
    expected = np.array([4.0, 2.0, 2.0, 0.0])
    kept = schedule_figures([pl.DataFrame({"expected": 10 * expected, "seen": 10 * expected})] * 2)
    assert (kept["chi_square"], kept["p"]) == (0.0, 1.0)
    assert kept["ess"] == pytest.approx(64 / 24 / 4)
    assert kept["furthest"] == 0.0
    swapped = schedule_figures([pl.DataFrame({"expected": 10 * expected, "seen": 10 * expected[[1, 0, 2, 3]]})])
    assert swapped["chi_square"] == pytest.approx(400 / 40 + 400 / 20)
    assert swapped["p"] < 1e-3
    assert swapped["furthest"] == 20.0
    assert schedule_figures([pl.DataFrame({"expected": [0.2] * 10, "seen": [2.0] + [0.0] * 9})])["p"] is None


@pytest.mark.parametrize("n", [3, 50, 1000])
def test_chi_square_of_independent_draws_is_a_fair_p_where_each_prompt_expects_less_than_one(n: int) -> None:
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.ones(n))
    draws = [rng.multinomial(200, share) for _ in range(400)]
    p = [schedule_figures([pl.DataFrame({"expected": 200 * share, "seen": seen})])["p"] for seen in draws]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_the_vocabulary_ratio_and_the_divergence_have_contrasts_and_tests_too() -> None:
    far = [Samples(one.answers, one.scores, one.ended, np.full(10, 3.0)) for one in seeds(*[2] * 6)]
    made = comparison(sft=[VARIED] * 6, uniform=seeds(*[1] * 6), density=far)
    tested = made["contrasts"]["density-uniform"]
    assert tested["kl"]["difference"] == 3.0
    assert made["arms"]["sft"]["kl"]["mean"] == 0.0
    ratios = [made["arms"][arm]["vocabulary_ratio"]["mean"] for arm in ("density", "uniform")]
    assert tested["vocabulary_ratio"]["difference"] == pytest.approx(ratios[0] - ratios[1])
    assert tested["vocabulary_ratio"]["holm_p"] is not None
    assert made["contrasts"]["density-sft"]["vocabulary_ratio"]["n"] > 0


def test_a_prompt_whose_answers_get_one_verdict_teaches_nothing() -> None:
    half = told([[RIGHT[0], "no"] if row < 4 else ["no", "no"] for row in range(10)], np.zeros((10, 2)))
    assert comparison(sft=half)["arms"]["sft"]["one_verdict"]["mean"] == pytest.approx(0.6)


@pytest.mark.parametrize(("completions", "at"), [(2, [1, 2]), (8, [1, 4, 8]), (16, [1, 4, 16]), (20, [1, 4, 16, 20])])
def test_pass_at_follows_the_number_of_completions(completions: int, at: list[int]) -> None:
    found = comparison(sft=samples([RIGHT[0], *["no"] * (completions - 1)]))["arms"]["sft"]
    passed = {name: of["mean"] for name, of in found.items() if name.startswith("pass@")}
    assert passed == pytest.approx({f"pass@{k}": k / completions for k in at})


def test_a_difference_on_these_prompts_alone_is_no_answer() -> None:
    """Seeds agree, prompts do not: the sign-flip test is sure, the interval is not."""
    one = [RIGHT[0], "no", "no", "no"]
    few = [told([[*RIGHT, "no", "no"] if row == 0 else one for row in range(10)], np.zeros((10, 4)))] * 6
    base = [samples(one)] * 6
    made = comparison(sft=[VARIED] * 6, uniform=base, density=few, placebo=base)
    primary = made["contrasts"]["density-placebo"]["distinct_correct"]
    assert primary["sign_flip_p"] <= 0.05
    assert primary["low"] <= 0 < primary["difference"]
    assert "Yes" not in answer(made)
