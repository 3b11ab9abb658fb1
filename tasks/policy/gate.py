"""Whether the reward model may decide: at chance it would reward noise, and GRPO would learn it."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from tasks.errors import TrainingError
from tasks.proportions import wilson_interval
from tasks.rewards import RewardMix


def refuse_weak_reward(by_source: Sequence[Mapping[str, Any]], prompts: pl.DataFrame, mix: RewardMix) -> None:
    """Raise TrainingError where the reward model decides something and may be no better than a coin.

    by_source: rows {source, pairs, accuracy} over held-out pairs.  prompts: to train on, with source and meta.
    It is judged where it counts most, those sources together: what it knows of prompts that a checker judges too says
    nothing of those that it judges alone.
    """
    weight = {
        source: max(mix.of_model(meta) for meta in metas)
        for source, metas in prompts.group_by("source").agg("meta").iter_rows()
    }
    most = max(weight.values())
    if most == 0:
        return
    judged = [of for of in by_source if weight.get(of["source"]) == most]
    pairs = sum(of["pairs"] for of in judged)
    if not pairs:
        raise TrainingError(_refusal(f"was judged on no held-out pair of {_named(weight, most)}"))
    accuracy = sum(of["pairs"] * of["accuracy"] for of in judged) / pairs
    low, high = wilson_interval(accuracy, pairs)
    if low <= 0.5:
        raise TrainingError(
            _refusal(
                f"puts {accuracy:.1%} of {pairs} held-out pairs of {_named(weight, most)} in the right order, 95 % "
                f"interval {low:.1%} to {high:.1%}, which is not clear of chance (50 %)"
            )
        )


def _named(weight: Mapping[str, float], most: float) -> str:
    return ", ".join(sorted(source for source, of in weight.items() if of == most))


def _refusal(met: str) -> str:
    return (
        f"The reward model {met}: GRPO would be trained on noise. Train it longer (--reward.max-steps), give it more "
        "pairs, or hold out more of them (--pairs.eval-share) if there are few; --policy.reward.model-weight 0 leaves "
        "the checker alone where every prompt has one, and --policy.allow-weak-reward trains all the same."
    )
