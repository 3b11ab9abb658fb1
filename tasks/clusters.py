"""Regions of the map and what they are about.

HDBSCAN (Campello, Moulavi & Sander 2013) on the layout finds regions of any shape; what it leaves out joins the region
of the nearest point that has one, so that regions cover the map. c-TF-IDF (Grootendorst 2022, "BERTopic", arXiv
2203.05794) names each by the words that are frequent in it and rare elsewhere. Departure: a word counts once a prompt,
so that no single long prompt names a region.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.neighbors import KDTree

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
SMALLEST = 8
SMALLEST_SHARE = 1 / 150
KEYWORDS = 3
WORD = re.compile(r"[^\W\d_]{2,}(?:[-'’][^\W\d_]+)*")


@dataclass(frozen=True)
class Clusters:
    """The cluster of each of n points and the keywords of each cluster, the largest first."""

    of_point: Ints  # [n], -1 where no cluster was found at all
    keywords: list[list[str]]


def find_clusters(places: Floats, prompts: Sequence[str]) -> Clusters:
    """Cluster [n, d] places; name the clusters by the n prompts. No cluster where the points are too few for one."""
    smallest = max(SMALLEST, round(len(places) * SMALLEST_SHARE))
    if len(places) < 2 * smallest:
        return Clusters(np.full(len(places), -1), [])
    searcher: Any = HDBSCAN(min_cluster_size=smallest, min_samples=SMALLEST, cluster_selection_method="leaf", copy=True)
    labels = searcher.fit_predict(places.astype(np.float64))
    if labels.max() < 0:
        return Clusters(np.full(len(places), -1), [])
    found = by_size(joined_to_nearest(places, labels))
    words = [Counter[str]() for _ in range(found.max() + 1)]
    for cluster, prompt in zip(found, prompts, strict=True):
        words[cluster].update(set(words_of(prompt)))
    return Clusters(found, [most_telling(scores) for scores in c_tf_idf(words)])


def joined_to_nearest(places: Floats, labels: Ints) -> Ints:
    """Give points of [n] label -1 the label of the nearest point that has one."""
    known = labels >= 0
    if known.all():
        return labels
    nearest = KDTree(places[known]).query(places[~known], return_distance=False)[:, 0]
    joined = labels.copy()
    joined[~known] = labels[known][nearest]
    return joined


def by_size(labels: Ints) -> Ints:
    """Renumber clusters of [n] labels, 0 and on, so that 0 is the largest."""
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels]


def words_of(prompt: str) -> list[str]:
    """Lower-case words of two letters or more, without numbers and English function words."""
    return [word for word in WORD.findall(prompt.lower()) if word not in ENGLISH_STOP_WORDS]


def c_tf_idf(words: Sequence[Counter[str]]) -> list[dict[str, float]]:
    """How telling each word is for each class: tf_{t,c} · log(1 + A / f_t).

    words: for each class each word's frequency in it (tf_{t,c}).  A: words of a class on average.  f_t: the word's
    frequency in all classes.
    """
    total = sum(words, Counter[str]())
    average = total.total() / max(1, len(words))
    return [{word: tf * np.log1p(average / total[word]) for word, tf in counts.items()} for counts in words]


def most_telling(scores: dict[str, float]) -> list[str]:
    """The words of the highest scores, equal ones by name."""
    return sorted(scores, key=lambda word: (-scores[word], word))[:KEYWORDS]
