"""Figures by hand and by brute force, intervals that are paired."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.novelty.evaluate import Resampling, figures, intervals

SCORES = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=12).map(np.array)


def wins(known: np.ndarray, novel: np.ndarray) -> float:
    """The share of pairs in which the novel row scores higher, a tie one half."""
    return float(np.mean([[1.0 if b > a else 0.5 if b == a else 0.0 for b in novel] for a in known]))


@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order(known: np.ndarray, novel: np.ndarray) -> None:
    assert figures(known, novel)["auroc"] == pytest.approx(wins(known, novel))


def test_fpr95_is_what_is_called_novel_wrongly_when_95_percent_are_found() -> None:
    novel = np.arange(100.0)
    known = np.array([4.5, 5.5, 50.0, -1.0])
    assert figures(known, novel)["fpr95"] == 0.5  # at a threshold of 5, which 95 of 100 reach
    assert figures(known, np.full(3, 99.0))["fpr95"] == 0


@given(SCORES, SCORES)
def test_fpr95_is_that_of_the_highest_threshold_that_95_percent_reach(known: np.ndarray, novel: np.ndarray) -> None:
    reached = [threshold for threshold in sorted({*known, *novel}) if (novel >= threshold).mean() >= 0.95]
    assert figures(known, novel)["fpr95"] == pytest.approx((known >= reached[-1]).mean())


@given(SCORES, SCORES, st.integers(0, 9))
def test_each_resample_has_the_figures_of_the_rows_drawn(known: np.ndarray, novel: np.ndarray, seed: int) -> None:
    resampling = Resampling(len(known), len(novel), 5, seed)
    found = resampling.figures(known, novel)
    for at in range(5):
        drawn = [
            np.repeat(of, counts[at].astype(int)) for of, counts in zip((known, novel), resampling.counts, strict=True)
        ]
        assert {name: of[at] for name, of in found.items()} == pytest.approx(figures(*drawn), abs=1e-5)


def test_a_detector_less_itself_is_nothing_and_a_better_one_is_clear_of_it() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=400)
    scores = {
        "knn_5": [(noise[:200], noise[200:] + 0.5)],
        "same": [(noise[:200], noise[200:] + 0.5)],
        "better": [(noise[:200], noise[200:] + 2.0)],
    }
    found = intervals(scores, "knn_5", 300, 0)
    for figure, better in (("auroc", 1), ("aupr", 1), ("fpr95", -1)):
        same = found["same"][figure]
        assert (same["difference_low"], same["difference_high"]) == (0, 0)
        ends = [found["better"][figure][f"difference_{end}"] for end in ("low", "high")]
        assert min(better * end for end in ends) > 0
        for of in found.values():
            assert of[figure]["low"] < of[figure]["mean"] < of[figure]["high"]


def test_the_auroc_of_several_seeds_is_their_mean_and_not_an_ensembles() -> None:
    rng = np.random.default_rng(1)
    seeds = [(rng.normal(size=50), rng.normal(size=60) + 1) for _ in range(4)]
    found = intervals({"knn_5": seeds[:1], "rnd": seeds}, "knn_5", 100, 0)
    assert found["rnd"]["auroc"]["mean"] == pytest.approx(np.mean([wins(*of) for of in seeds]))
