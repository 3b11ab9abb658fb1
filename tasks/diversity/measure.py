"""What one model's answers to each prompt amount to.

An answer is *good* where the checker finds it right or, for prompts without a checker, where the reward model scores
it above the median of the SFT model's answers to that prompt (its scores compare answers to one prompt only). Diversity
of good answers is what counts: noise is diverse too. Right answers are counted; without a checker nearly all good
answers differ, so that counting would only count the good, and how far they spread is measured instead. Where only one
answer can be right (a next step, a normal form) right answers cannot be diverse, and their diversity is not defined.
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

SHARES = frozenset({"one_verdict", "distinct_1", "distinct_2", "self_bleu", "ended"})


def possible(measure: str) -> tuple[float, float]:
    """The least and the most that a measure can be."""
    if measure == "reward":
        return -math.inf, math.inf
    if measure in SHARES or measure.startswith("pass@"):
        return 0.0, 1.0
    return 0.0, 2.0 if measure.endswith("spread") else math.inf


@dataclass(frozen=True)
class Samples:
    """What one model said: K answers to each of n prompts, with the reward model's scores [n, K]."""

    answers: list[list[str]]
    scores: NDArray[np.float64]
    ended: NDArray[np.bool_]  # [n, K], whether an answer came to its end within the limit of tokens
    kl: NDArray[np.float64]  # [n], from the SFT model

    @property
    def texts(self) -> list[str]:
        """Each answer once, in order of its text."""
        return sorted({answer for answers in self.answers for answer in answers})


@dataclass(frozen=True)
class Base:
    """What the SFT model's answers fix for all models."""

    bars: NDArray[np.float64]  # [n], the score above which an answer to a prompt without a checker is good
    words: int  # different tokens in all its answers

    @classmethod
    def of(cls, samples: Samples) -> "Base":
        words = {word for answers in samples.answers for one in answers for word in tokens(one)}
        return cls(np.median(samples.scores, axis=1), len(words))


def read_samples(path: Path) -> tuple[list[str | None], Samples]:
    """What was asked of each prompt, and what a model said: completions.parquet."""
    table = pl.read_parquet(path, columns=["meta", "answers", "scores", "ended", "kl"])
    scores, ended = np.array(table["scores"].to_list(), dtype=float), np.array(table["ended"].to_list(), dtype=bool)
    return table["meta"].to_list(), Samples(table["answers"].to_list(), scores, ended, table["kl"].to_numpy())


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
        _of_prompt(meta, answers, scores, bar, base.words, vectors, mix)
        for meta, answers, scores, bar in zip(metas, samples.answers, samples.scores, base.bars, strict=True)
    ]
    table = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.Float64))
    return table.with_columns(ended=pl.Series(samples.ended.mean(axis=1)), kl=pl.Series(samples.kl))


def _of_prompt(
    meta: str | None,
    answers: Sequence[str],
    scores: NDArray[np.float64],
    bar: float,
    words: int,
    vectors: Mapping[str, NDArray[np.float32]],
    mix: RewardMix,
) -> dict[str, float]:
    right = verdicts([meta] * len(answers), answers)
    good = [one for one, is_right, score in zip(answers, right, scores, strict=True) if _good(is_right, score, bar)]
    one_answer = meta is not None and has_one_answer(meta)
    counted = meta is not None and not one_answer
    rewards = [
        mix.checker_weight * (one or 0.0) + mix.of_model(meta) * score for one, score in zip(right, scores, strict=True)
    ]
    return {
        "distinct_correct": float(len(set(good))) if counted else math.nan,
        "entropy": entropy(good) if counted else math.nan,
        "good_spread": spread(np.stack([vectors[one] for one in good])) if good and not one_answer else math.nan,
        "reward": float(np.mean(rewards)),
        **{
            f"pass@{k}": math.nan if meta is None else pass_at(k, len(answers), len(good))
            for k in sorted({1, 4, 16, len(answers)})
            if k <= len(answers)
        },
        "one_verdict": math.nan if meta is None else float(len(set(right)) == 1),
        "distinct_1": distinct(answers, 1),
        "distinct_2": distinct(answers, 2),
        "ead_1": adjusted_distinct(answers, words),
        "self_bleu": self_bleu(answers),
        "embedding_spread": spread(np.stack([vectors[answer] for answer in answers])),
        "em_dashes": em_dashes(answers),
        "length": float(np.mean([len(tokens(answer)) for answer in answers])),
    }


def _good(right: float | None, score: float, bar: float) -> bool:
    return score > bar if right is None else right == 1.0
