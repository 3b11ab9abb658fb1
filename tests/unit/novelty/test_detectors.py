"""Every detector says more of what is further off, and the default one is chosen without the tested sets."""

import numpy as np
import polars as pl
import pytest

from tasks.novelty.detectors import DETECTORS, length
from tasks.novelty.params import Experiment
from tasks.novelty.results import ENSEMBLE, Judged, summary, with_ensembles

RNG = np.random.default_rng(0)
JUDGED = pl.DataFrame(
    {
        "id": [str(n) for n in range(80)],
        "part": ["validation"] * 40 + ["test"] * 40,
        "novel": ([None] * 20 + ["other"] * 20) + ([None] * 20 + ["tested"] * 20),
        "near": [None] * 20 + [True] * 20 + [None] * 20 + [True] * 20,
    }
)


@pytest.mark.parametrize("name", DETECTORS)
def test_what_is_far_from_all_that_is_known_scores_higher(name: str) -> None:
    known = (np.ones(8) + 0.1 * RNG.normal(size=(200, 8))).astype(np.float32)
    alike = (np.ones(8) + 0.1 * RNG.normal(size=(30, 8))).astype(np.float32)
    unlike = (np.tile([1, -1], 4) + 0.1 * RNG.normal(size=(30, 8))).astype(np.float32)
    scores = DETECTORS[name](known, np.concatenate([alike, unlike]), 0)
    assert scores[:30].max() < scores[30:].min()


def test_length_tells_what_is_shorter_or_longer_than_usual() -> None:
    usual, short, long = length(["x" * 40, "x" * 50, "x" * 60], ["x" * 50, "x" * 5, "x" * 500])
    assert usual == 0
    assert short == pytest.approx(long) == pytest.approx(np.log(10))


def said(detector: str, on_validation: float, on_test: float) -> list[Judged]:
    """Scores that tell what is new of validation's rows, or of the test's, where the number is not 0."""
    new = JUDGED["novel"].is_not_null().to_numpy()
    use = np.where(JUDGED["part"] == "validation", on_validation, on_test)
    return [Judged("one", 0, detector, np.where(new, use, 0.0) + 0.01 * RNG.normal(size=80), 1.0)]


def test_the_default_detector_is_validations_best_though_another_is_the_tests() -> None:
    judged = [*said("knn_5", 1, 0), *said("lof", 0, 1), *said("length", 9, 9)]
    [found] = summary(JUDGED, judged, [Experiment(name="one")], resamples=100, seed=0).values()
    assert found["default_detector"] == "knn_5"
    assert set(found["validation_auroc"]) == {"knn_5", "lof"}
    tested = found["novel_sets"]["tested"]
    assert tested["lof"]["auroc"]["mean"] > 0.9 > tested["knn_5"]["auroc"]["mean"]


def test_an_ensembles_score_is_the_mean_of_the_networks_from_its_seed_on() -> None:
    networks = [Judged("one", seed, "rnd", np.full(3, float(seed)), 2.0) for seed in range(2 + ENSEMBLE - 1)]
    made = {(one.detector, one.seed): one for one in with_ensembles(networks, 2)}
    assert set(made) == {("rnd", 0), ("rnd", 1), ("rnd_ensemble", 0), ("rnd_ensemble", 1)}
    assert made["rnd_ensemble", 1].scores.tolist() == [3.0] * 3
    assert made["rnd_ensemble", 1].seconds == 2.0 * ENSEMBLE
