"""SFT and the arms side by side: each measure by prompt, its mean and interval, and differences.

An answer is *good* where the checker finds it right or, for prompts without a checker, where the reward
model scores it above the median of the SFT model's answers to such prompts. Diversity of good answers is what counts:
noise is diverse too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.diversity.intervals import Estimate, bootstrap_mean
from tasks.diversity.metrics import distinct, em_dashes, entropy, self_bleu, spread, tokens, vocabulary_ratios
from tasks.rewards import RewardMix, verdicts

BASE = "sft"


@dataclass(frozen=True)
class Samples:
    """What one model said: K answers to each of n prompts, with the reward model's scores [n, K]."""

    answers: list[list[str]]
    scores: NDArray[np.float64]


def measure(
    prompts: pl.DataFrame, samples: Samples, bar: float, vectors: Mapping[str, NDArray[np.float32]], mix: RewardMix
) -> dict[str, NDArray[np.float64]]:
    """Every measure by prompt, [n] each; nan where a measure is not defined for a prompt.

    prompts: n rows with meta.  bar: the score above which an answer without a checker is good.
    vectors: a unit vector for each answer's text.
    """
    rows = [
        _measure_prompt(meta, answers, scores, bar, vectors, mix)
        for meta, answers, scores in zip(prompts["meta"], samples.answers, samples.scores, strict=True)
    ]
    return {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}


def _measure_prompt(
    meta: str | None,
    answers: Sequence[str],
    scores: NDArray[np.float64],
    bar: float,
    vectors: Mapping[str, NDArray[np.float32]],
    mix: RewardMix,
) -> dict[str, float]:
    right = verdicts([meta] * len(answers), answers)
    good = [answer for answer, one, score in zip(answers, right, scores, strict=True) if _is_good(one, score, bar)]
    rewards = [
        mix.checker_weight * (one or 0.0) + mix.of_model(meta) * score for one, score in zip(right, scores, strict=True)
    ]
    return {
        "pass@1": math.nan if meta is None else float(np.mean(np.array(right, dtype=float))),
        "reward": float(np.mean(rewards)),
        "distinct_correct": float(len(set(good))),
        "entropy": entropy(good),
        "distinct_1": distinct(answers, 1),
        "distinct_2": distinct(answers, 2),
        "self_bleu": self_bleu(answers),
        "embedding_spread": spread(np.stack([vectors[answer] for answer in answers])),
        "em_dashes": em_dashes(answers),
        "length": float(np.mean([len(tokens(answer)) for answer in answers])),
    }


def _is_good(right: float | None, score: float, bar: float) -> bool:
    return score > bar if right is None else right == 1.0


def compare(
    prompts: pl.DataFrame,
    samples: Mapping[str, Samples],
    vectors: Mapping[str, NDArray[np.float32]],
    mix: RewardMix,
    *,
    token_budget: int,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """comparison.json: arms → metric → {mean, low, high, n}; contrasts; by source; by density decile.

    prompts: n rows with source, meta, density, weight.  samples: by arm, "sft" among them.
    """
    unchecked = samples[BASE].scores[prompts["meta"].is_null().to_numpy()]
    bar = float(np.median(unchecked)) if unchecked.size else math.nan
    values = {arm: measure(prompts, said, bar, vectors, mix) for arm, said in samples.items()}
    estimate = lambda x: bootstrap_mean(x, resamples, seed).json()  # noqa: E731
    arms = {arm: {name: estimate(x) for name, x in metrics.items()} for arm, metrics in values.items()}
    for arm, said in samples.items():
        ratios = vocabulary_ratios([answer for answers in said.answers for answer in answers], token_budget)
        arms[arm]["vocabulary_ratio"] = estimate(np.array(ratios, dtype=float))
    deciles = density_deciles(prompts["density"].to_numpy())
    sources = prompts["source"].to_numpy()
    return {
        "arms": arms,
        "contrasts": {
            f"{arm}-{other}": {
                name: _difference(bootstrap_mean(x - values[other][name], resamples, seed))
                for name, x in values[arm].items()
            }
            for arm, other in contrasts(list(samples))
        },
        "by_source": {
            arm: {
                source: {name: estimate(x[sources == source]) for name, x in metrics.items()}
                for source in sorted(set(sources))
            }
            for arm, metrics in values.items()
        },
        "by_density_decile": {
            arm: {name: [estimate(x[deciles == d]) for d in range(10)] for name, x in metrics.items()}
            for arm, metrics in values.items()
        },
        "weight_by_source": {
            source: {"mean": float(prompts["weight"].to_numpy()[sources == source].mean())}
            for source in sorted(set(sources))
        },
        "prompts": len(prompts),
        "completions": len(samples[BASE].answers[0]),
    }


def contrasts(arms: Sequence[str]) -> list[tuple[str, str]]:
    """Every arm against SFT, and every later arm against the first."""
    trained = [arm for arm in arms if arm != BASE]
    return [(arm, BASE) for arm in trained] + [(arm, trained[0]) for arm in trained[1:]]


def density_deciles(density: NDArray[np.float64]) -> NDArray[np.int64]:
    """The tenth of prompts each belongs to, by density: 0 is the rarest."""
    rank = np.argsort(np.argsort(density, kind="stable"), kind="stable")
    return rank * 10 // max(1, len(density))


def _difference(of: Estimate) -> dict[str, float | int | None]:
    json = of.json()
    return {"difference": json["mean"], "low": json["low"], "high": json["high"], "n": json["n"]}
