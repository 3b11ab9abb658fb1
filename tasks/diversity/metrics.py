"""How varied the K completions of a prompt are.

Every measure takes the completions of one prompt, so that a mean over prompts has an interval by
resampling prompts; only the vocabulary ratio is taken over runs of tokens from many prompts.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU

TOKEN = re.compile(r"\\\.|\d|[^\W\d]+|[^\w\s]")
_bleu = BLEU(tokenize="none", smooth_method="exp", effective_order=True)


def tokens(text: str) -> list[str]:
    """Words, single digits, the λ-symbol and single punctuation marks: the same for every model."""
    return TOKEN.findall(text)


def distinct(answers: Sequence[str], n: int) -> float:
    """Distinct n-grams over all n-grams of the answers together (Li et al. 2016); nan where there is none."""
    grams = [gram for answer in answers for gram in _grams(tokens(answer), n)]
    return len(set(grams)) / len(grams) if grams else math.nan


def adjusted_distinct(answers: Sequence[str], words: int) -> float:
    """Different tokens over those expected of as many drawn at random from `words` different ones; nan without tokens.

    EAD (Liu et al. 2022, "Rethinking and refining the distinct metric", eq. 3): unlike distinct-1 it does not fall with
    length. Above 1 where fewer tokens repeat than chance would make repeat.
    """
    said = [word for answer in answers for word in tokens(answer)]
    if not said or words < 1:
        return math.nan
    return len(set(said)) / (words * (1 - ((words - 1) / words) ** len(said)))


def pass_at(k: int, n: int, right: int) -> float:
    """Probability that one of k answers is right, where `right` of n were (Chen et al. 2021, eq. 1; unbiased)."""
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def entropy(answers: Sequence[str]) -> float:
    """Shannon entropy, in nats, of the answers' frequencies; 0 where all agree or there is none."""
    counts = np.array(list(Counter(answers).values()), dtype=float)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum()) + 0.0 if len(counts) else 0.0


def self_bleu(answers: Sequence[str]) -> float:
    """Mean BLEU-4 of each answer against the others (Zhu et al. 2018), in [0, 1]; 1 where all are alike.

    nan where no answer has a token: what says nothing is neither varied nor alike.
    """
    lines = [" ".join(tokens(answer)) for answer in answers]
    if len(lines) < 2 or not any(lines):
        return math.nan
    scores = [
        _bleu.sentence_score(line, [*lines[:i], *lines[i + 1 :]]).score / 100 if line else 0.0
        for i, line in enumerate(lines)
    ]
    return float(np.mean(scores))


def spread(vectors: NDArray[np.float32]) -> float:
    """Mean cosine distance between two different rows of [k, D] unit vectors, in [0, 2]."""
    k = len(vectors)
    return float(1 - (np.square(vectors.sum(0)).sum() - k) / (k * (k - 1))) if k > 1 else math.nan


def vocabulary_ratios(texts: Sequence[str], budget: int) -> list[float]:
    """Different tokens over all tokens in each run of `budget` tokens; a last, shorter run is left out.

    Fixed runs, since the ratio falls with length and would fall again in a bootstrap's repeated texts.
    """
    words = [word for text in texts for word in tokens(text)]
    return [len(set(words[i : i + budget])) / budget for i in range(0, len(words) - budget + 1, budget)]


def em_dashes(answers: Sequence[str]) -> float:
    """Em-dashes for each 1,000 tokens; nan where there are no tokens."""
    total = sum(len(tokens(answer)) for answer in answers)
    return 1000 * sum(answer.count("—") for answer in answers) / total if total else math.nan


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
