"""Stacked networks against a plain loop over one, and what training makes of novelty."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.novelty.rnd import RNDModule, test_rnd, train_rnd

KNOWN = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
NEW = KNOWN + np.float32(4)
TRAINING = {"epochs": 5, "learning_rate": 1e-2, "batch": 16}


def plain_loop(model: RNDModule, emb: np.ndarray, seed: int, *, epochs: int, learning_rate: float, batch: int) -> None:
    """The same training of a single member, written as one would."""
    x = torch.from_numpy(emb)
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.predictor.parameters(), lr=learning_rate)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=order).split(batch):
            loss = model(x[None, rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def many(emb: np.ndarray, members: int) -> np.ndarray:
    return np.stack([emb] * members)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True), st.integers(1, 70))
def test_a_stacked_member_is_what_a_plain_loop_makes_of_it_alone(seeds: list[int], batch: int) -> None:
    training = {**TRAINING, "batch": batch, "epochs": 2}
    stacked = RNDModule(8, (12, 4), (16, 4), seeds)
    train_rnd(stacked, many(KNOWN, len(seeds)), seeds, **training)
    scores = test_rnd(stacked, many(NEW, len(seeds)))
    for at, seed in enumerate(seeds):
        alone = RNDModule(8, (12, 4), (16, 4), [seed])
        plain_loop(alone, KNOWN, seed, **training)
        np.testing.assert_allclose(scores[at], test_rnd(alone, NEW[None])[0], rtol=1e-3)


def test_members_learn_from_their_own_rows() -> None:
    seeds = [3, 3]
    model = RNDModule(8, (12, 4), (16, 4), seeds)
    train_rnd(model, np.stack([KNOWN, NEW]), seeds, **TRAINING)
    on_known, on_new = (test_rnd(model, many(emb, 2)).mean(axis=1) for emb in (KNOWN, NEW))
    assert on_known[0] < on_known[1]
    assert on_new[1] < on_new[0]


def test_the_target_stays_and_the_loss_falls() -> None:
    model = RNDModule(8, (12, 4), (16, 4), [0, 1])
    before = [weight.clone() for weight in model.target.parameters()]
    losses = train_rnd(model, many(KNOWN, 2), [0, 1], **TRAINING)
    assert all((now == then).all() for now, then in zip(model.target.parameters(), before, strict=True))
    assert losses.shape == (2, 5)
    assert (losses[:, -1] < losses[:, 0] / 2).all()


def test_bfloat16_scores_as_float32_does() -> None:
    scores = []
    for dtype in ("float32", "bfloat16"):
        model = RNDModule(8, seeds=[0])
        train_rnd(model, KNOWN[None], [0], **TRAINING, dtype=dtype)
        scores.append(test_rnd(model, NEW[None])[0])
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert scores[1].mean() == pytest.approx(scores[0].mean(), rel=0.05)
    assert np.corrcoef(scores)[0, 1] > 0.9
    assert (scores[1] != scores[0]).any()


def test_outputs_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="target-layers end in 8 and predictor-layers in 4"):
        RNDModule(8, (8,), (4,))
