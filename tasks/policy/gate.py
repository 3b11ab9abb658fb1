"""Whether the reward model may decide: at chance it would reward noise, and GRPO would learn it."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.errors import TrainingError
from tasks.rewards import RewardMix


def refuse_weak_reward(held_out: Mapping[str, Any], metas: Iterable[str | None], mix: RewardMix) -> None:
    """Raise TrainingError where the reward model decides something and may be no better than a coin.

    held_out: {pairs, accuracy, low, high} over all held-out pairs.  metas: of the prompts to train on.
    """
    if held_out["low"] > 0.5 or not any(mix.of_model(meta) > 0 for meta in metas):
        return
    raise TrainingError(
        f"The reward model puts {held_out['accuracy']:.1%} of {held_out['pairs']} held-out pairs in the right order, "
        f"95 % interval {held_out['low']:.1%} to {held_out['high']:.1%}, which is not clear of chance (50 %): GRPO "
        "would be trained on noise. Train it longer (--reward.max-steps), give it more pairs, or hold out more of them "
        "(--pairs.eval-share) if there are few; --policy.reward.model-weight 0 leaves the checker alone where every "
        "prompt has one, and --policy.allow-weak-reward trains all the same."
    )
