"""GRPO does not start on a reward model that may be no better than a coin, where its score counts most."""

from typing import Any

import polars as pl
import pytest

from tasks.errors import TrainingError
from tasks.policy.gate import refuse_weak_reward
from tasks.rewards import RewardMix


def judged(**sources: tuple[int, float]) -> list[dict[str, Any]]:
    """Rows of accuracy.json: of each source its held-out pairs and the share in the right order."""
    rows = [{"source": name, "pairs": pairs, "accuracy": share} for name, (pairs, share) in sources.items()]
    pairs = sum(row["pairs"] for row in rows)
    return [{"source": "all", "pairs": pairs, "accuracy": sum(r["pairs"] * r["accuracy"] for r in rows) / pairs}, *rows]


def prompts(*of: tuple[str, str | None]) -> pl.DataFrame:
    """Prompts to train on: source and meta."""
    return pl.DataFrame(of, schema={"source": pl.String, "meta": pl.String}, orient="row")


@pytest.mark.parametrize(
    ("metas", "weight"), [([None], 0.0), (["{}"], 0.05), (["{}", None], 0.0)], ids=["alone", "beside", "mixed"]
)
def test_a_weak_reward_model_whose_score_counts_is_refused(metas: list[str | None], weight: float) -> None:
    with pytest.raises(TrainingError) as refused:
        refuse_weak_reward(judged(s=(100, 0.55)), prompts(*(("s", of) for of in metas)), RewardMix(model_weight=weight))
    for part in ("55.0% of 100", "of s in", "45.2% to 64.4%", "chance", "noise", "--policy.allow-weak-reward"):
        assert part in str(refused.value)


def test_where_a_checker_decides_alone_a_weak_reward_model_is_no_matter() -> None:
    refuse_weak_reward(judged(s=(100, 0.55)), prompts(("s", "{}")), RewardMix(model_weight=0.0))


def test_a_small_lead_over_many_pairs_will_do_and_a_tie_with_chance_will_not() -> None:
    refuse_weak_reward(judged(s=(1000, 0.55)), prompts(("s", None)), RewardMix())
    with pytest.raises(TrainingError):
        refuse_weak_reward(judged(s=(1000, 0.53)), prompts(("s", None)), RewardMix())


def test_what_it_knows_of_checked_prompts_says_nothing_of_those_that_it_judges_alone() -> None:
    both = judged(terms=(400, 0.9), hub=(50, 0.5))
    refuse_weak_reward(both, prompts(("terms", "{}")), RewardMix())
    with pytest.raises(TrainingError, match=r"50\.0% of 50 held-out pairs of hub"):
        refuse_weak_reward(both, prompts(("terms", "{}"), ("hub", None)), RewardMix())


def test_sources_without_held_out_pairs_are_not_taken_for_judged() -> None:
    with pytest.raises(TrainingError, match="was judged on no held-out pair of hub"):
        refuse_weak_reward(judged(terms=(400, 0.9)), prompts(("hub", None)), RewardMix())
