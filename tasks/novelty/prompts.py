"""How novel each prompt is to a predictor that never met it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.novelty.params import PromptNoveltyParams
from tasks.novelty.rnd import RNDModule, test_rnd, train_rnd
from tasks.novelty.vectors import prepare_embeddings_for_training
from tasks.tables import Floats


def cross_fitted_novelty(
    emb: Floats, params: PromptNoveltyParams, show: Callable[[float], None] = lambda share: None
) -> NDArray[np.float64]:
    """RND novelty [n] of vectors [n, D], each by the predictor that learnt the other parts of them.

    A predictor that learnt a row would find it familiar, rare or not. All predictors imitate one target from one
    beginning, so that their errors compare; they train at once. Raises InputError where nothing can be learnt.
    """
    vectors = prepare_embeddings_for_training(emb, normalize=True)
    folds = min(params.folds, len(vectors))
    parts = np.array_split(np.random.default_rng(params.seed).permutation(len(vectors)), folds)
    learnt = [np.concatenate(parts[:at] + parts[at + 1 :]) for at in range(folds)]
    least = min(map(len, learnt))
    seeds = [params.seed] * folds
    model = RNDModule(vectors.shape[1], seeds=seeds)
    train_rnd(
        model,
        np.stack([vectors[rows[:least]] for rows in learnt]),
        seeds,
        epochs=params.epochs,
        learning_rate=params.learning_rate,
        batch=params.batch,
        show=show,
    )
    most = max(map(len, parts))
    scores = test_rnd(model, np.stack([vectors[np.resize(rows, most)] for rows in parts]))
    found = np.empty(len(vectors))
    for rows, of in zip(parts, scores, strict=True):
        found[rows] = of[: len(rows)]
    return found
