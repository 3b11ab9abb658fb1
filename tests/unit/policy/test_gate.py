"""GRPO does not start on a reward model that may be no better than a coin, where its score counts."""

import pytest

from tasks.errors import TrainingError
from tasks.policy.gate import refuse_weak_reward
from tasks.rewards import RewardMix

WEAK = {"pairs": 100, "accuracy": 0.55, "low": 0.452, "high": 0.644}
SOUND = {"pairs": 1000, "accuracy": 0.55, "low": 0.519, "high": 0.581}


@pytest.mark.parametrize(("metas", "weight"), [([None], 0.0), (["{}"], 0.05), (["{}", None], 0.0)])
def test_a_weak_reward_model_whose_score_counts_is_refused(metas: list[str | None], weight: float) -> None:
    with pytest.raises(TrainingError) as refused:
        refuse_weak_reward(WEAK, metas, RewardMix(model_weight=weight))
    for part in ("55.0% of 100", "45.2% to 64.4%", "chance", "noise", "--policy.allow-weak-reward"):
        assert part in str(refused.value)


def test_where_a_checker_decides_alone_a_weak_reward_model_is_no_matter() -> None:
    refuse_weak_reward(WEAK, ["{}", "{}"], RewardMix(model_weight=0.0))


def test_a_small_lead_over_many_pairs_will_do_and_a_tie_with_chance_will_not() -> None:
    refuse_weak_reward(SOUND, [None], RewardMix())
    with pytest.raises(TrainingError):
        refuse_weak_reward({**SOUND, "low": 0.5}, [None], RewardMix())
