"""How novel a prompt is to predictors of the others."""

import numpy as np
import pytest

from tasks.errors import InputError
from tasks.novelty.params import PromptNoveltyParams
from tasks.novelty.prompts import cross_fitted_novelty

PARAMS = PromptNoveltyParams(epochs=10, learning_rate=1e-3, batch=20)


def common_and_rare(rare: int) -> np.ndarray:
    """200 vectors near each other, and some far from them and from each other."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=32) + 0.1 * rng.normal(size=(200, 32))
    return np.concatenate([near, rng.normal(size=(rare, 32))]).astype(np.float32)


def test_what_is_unlike_the_others_is_novel_though_it_is_among_what_is_learnt() -> None:
    scores = cross_fitted_novelty(common_and_rare(5), PARAMS)
    assert scores[200:].min() > scores[:200].max()
    assert (scores > 0).all()


def test_parts_of_unequal_size_and_fewer_rows_than_parts_will_do() -> None:
    assert len(cross_fitted_novelty(common_and_rare(3), PARAMS)) == 203
    assert (cross_fitted_novelty(common_and_rare(0)[:3], PARAMS) > 0).all()


def test_the_same_seed_gives_the_same_scores_and_another_another() -> None:
    emb = common_and_rare(4)
    one, again = (cross_fitted_novelty(emb, PARAMS) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert (cross_fitted_novelty(emb, PARAMS.model_copy(update={"seed": 1})) != one).all()


def test_vectors_that_are_all_the_same_tell_nothing() -> None:
    with pytest.raises(InputError, match="are the same"):
        cross_fitted_novelty(np.ones((9, 4), dtype=np.float32), PARAMS)
