"""What one model's answers to each prompt amount to.

An answer is *good* where the checker finds it right or, for prompts without a checker, where the reward model scores
it above the median of the SFT model's answers to such prompts. Diversity of good answers is what counts: noise is
diverse too. Where only one answer can be right (a next step, a normal form) right answers cannot be diverse, and
their diversity is not defined.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.checker import has_one_answer
from tasks.diversity.metrics import adjusted_distinct, distinct, em_dashes, entropy, pass_at, self_bleu, spread, tokens
from tasks.rewards import RewardMix, verdicts


@dataclass(frozen=True)
class Samples:
    """What one model said: K answers to each of n prompts, with the reward model's scores [n, K]."""

    answers: list[list[str]]
    scores: NDArray[np.float64]

    @property
    def texts(self) -> list[str]:
        """Each answer once, in order of its text."""
        return sorted({answer for answers in self.answers for answer in answers})


@dataclass(frozen=True)
class Base:
    """What the SFT model's answers fix for all models."""

    bar: float  # the score above which an answer without a checker is good
    words: int  # different tokens in all its answers

    @classmethod
    def of(cls, samples: Samples, metas: Sequence[str | None]) -> "Base":
        unchecked = samples.scores[[meta is None for meta in metas]]
        bar = float(np.median(unchecked)) if unchecked.size else math.nan
        return cls(bar, len({word for answers in samples.answers for one in answers for word in tokens(one)}))


def read_samples(path: Path) -> tuple[list[str | None], Samples]:
    """What was asked of each prompt, and what a model said: completions.parquet."""
    table = pl.read_parquet(path, columns=["meta", "answers", "scores"])
    return table["meta"].to_list(), Samples(
        table["answers"].to_list(), np.array(table["scores"].to_list(), dtype=float)
    )


def measure(
    metas: Sequence[str | None],
    samples: Samples,
    base: Base,
    vectors: Mapping[str, NDArray[np.float32]],
    mix: RewardMix,
) -> pl.DataFrame:
    """Every measure by prompt, n rows; nan where a measure is not defined for a prompt.

    vectors: a unit vector for each answer's text.
    """
    rows = [
        _of_prompt(meta, answers, scores, base, vectors, mix)
        for meta, answers, scores in zip(metas, samples.answers, samples.scores, strict=True)
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.Float64))


def _of_prompt(
    meta: str | None,
    answers: Sequence[str],
    scores: NDArray[np.float64],
    base: Base,
    vectors: Mapping[str, NDArray[np.float32]],
    mix: RewardMix,
) -> dict[str, float]:
    right = verdicts([meta] * len(answers), answers)
    good = [one for one, is_right, score in zip(answers, right, scores, strict=True) if _good(is_right, score, base)]
    one_answer = meta is not None and has_one_answer(meta)
    rewards = [
        mix.checker_weight * (one or 0.0) + mix.of_model(meta) * score for one, score in zip(right, scores, strict=True)
    ]
    return {
        "distinct_correct": math.nan if one_answer else float(len(set(good))),
        "entropy": math.nan if one_answer else entropy(good),
        "reward": float(np.mean(rewards)),
        **{
            f"pass@{k}": math.nan if meta is None else pass_at(k, len(answers), len(good))
            for k in (1, 4, 16)
            if k <= len(answers)
        },
        "distinct_1": distinct(answers, 1),
        "distinct_2": distinct(answers, 2),
        "ead_1": adjusted_distinct(answers, base.words),
        "self_bleu": self_bleu(answers),
        "embedding_spread": spread(np.stack([vectors[answer] for answer in answers])),
        "em_dashes": em_dashes(answers),
        "length": float(np.mean([len(tokens(answer)) for answer in answers])),
    }


def _good(right: float | None, score: float, base: Base) -> bool:
    return score > base.bar if right is None else right == 1.0
