"""What maps are judged by, on cases whose answer is known."""

from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.spatial.distance import cdist
from scipy.stats import binom

from tasks.errors import InputError
from tasks.transport.baselines import emd, identity, mean_shift, ridge
from tasks.transport.distances import distances
from tasks.transport.judge import chance, plane, read_truth, spread
from tasks.transport.measures import (
    better_fit,
    cosine,
    energy_distance,
    partner_ranks,
    pooled,
    recall,
    sliced_w2,
    transport_cost,
    uvp,
)

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def test_a_map_to_the_mean_leaves_all_variance_unexplained() -> None:
    y = normal(50_000, 3)
    assert uvp(np.zeros_like(y), y, 3.0) == pytest.approx(100, abs=2)
    assert uvp(y, y, 3.0) == 0


def test_the_cosine_is_of_displacements() -> None:
    x, shift = normal(100, 4), np.float32(1)
    assert cosine(x, x + shift, x + 2 * shift) == pytest.approx(1)
    assert cosine(x, x - shift, x + shift) == pytest.approx(-1)
    assert cosine(x, x, x + shift) == 0
    assert transport_cost(x, x + 2 * shift) == pytest.approx(16, rel=1e-5)


def test_the_energy_distance_of_one_law_is_0_and_of_two_points_their_distance() -> None:
    assert abs(energy_distance(normal(1500, 4), normal(1500, 4))) < 0.01
    points = np.zeros((5, 2), dtype=np.float32)
    assert energy_distance(points, points + np.float32([3, 4])) == pytest.approx(10)


def test_sliced_w2_of_a_shift_is_its_length_by_the_root_of_the_dimension() -> None:
    x = normal(2000, 4)
    assert sliced_w2(x, x + np.float32([2, 0, 0, 0]), np.random.default_rng(0)) == pytest.approx(1, rel=0.15)
    assert sliced_w2(x, x, np.random.default_rng(0)) == 0


def test_pooling_is_the_mean_of_each_sequence() -> None:
    tokens = normal(9, 3)
    made = pooled(tokens, np.array([2, 1, 6]))
    np.testing.assert_allclose(made, [tokens[:2].mean(0), tokens[2], tokens[3:].mean(0)], rtol=1e-5)


def test_recall_of_partners_that_are_strangers_is_chance() -> None:
    n = 300
    ranks = partner_ranks(normal(n, 8), normal(n, 8))
    for k in (1, 5, 10):
        low, high = binom.interval(0.999, n, k / n)
        assert low <= n * recall(ranks, k) <= high
        assert chance(n)[str(k)]["recall"] == k / n
    y = normal(n, 8)
    assert recall(partner_ranks(y, y), 1) == 1
    assert recall(partner_ranks(y, np.zeros_like(y)), 10) == 0  # ties do not count for it
    assert chance(4)["10"] == {"recall": 1.0, "interval": [1.0, 1.0]}


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(1, 6), st.integers(0, 2**20))
def test_distances_are_scipys(n: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((n, dim)).astype(np.float32) + 100 for _ in range(2))
    np.testing.assert_allclose(distances(a, b), cdist(a, b), atol=1e-4)
    np.testing.assert_allclose(distances(a, a), cdist(a, a), atol=1e-4)


def test_a_better_fit_is_told_from_noise() -> None:
    y, moved = normal(600, 3), normal(600, 3)
    groups = [np.arange(start, start + 6) for start in range(0, 600, 6)]
    assert better_fit(moved, moved + np.float32(0.7), y, groups, 0) > 0
    assert better_fit(moved + np.float32(0.7), moved, y, groups, 0) < 0
    assert better_fit(moved, moved, y, groups, 0) <= 0


def test_baselines_do_what_they_say() -> None:
    x = normal(400, 3)
    y = x @ np.float32([[2, 1, 0], [0, 1, 0], [0, 0, 1]]) + np.float32(5)
    np.testing.assert_array_equal(identity(3)(x), x)
    np.testing.assert_allclose(mean_shift(x.mean(0), y.mean(0))(x).mean(0), y.mean(0), rtol=1e-4)
    np.testing.assert_allclose(ridge(x, y)(x), y, atol=0.05)


def test_exact_transport_moves_new_points_as_pot_does() -> None:
    x, new = normal(150, 2), normal(80, 2)
    y = np.sign(x) * x**2
    peer = ot.da.EMDTransport(out_of_sample_map="ferradans").fit(Xs=x, Xt=y)
    ours = emd(x, y, 150, np.random.default_rng(0))
    np.testing.assert_allclose(ours(new), peer.transform(Xs=new), atol=1e-4)


def test_what_is_not_a_number_finds_no_partner() -> None:
    y = normal(5, 2)
    moved = y.copy()
    moved[0] = np.nan
    assert partner_ranks(moved, y).tolist() == [5, 1, 1, 1, 1]


def test_the_plane_of_one_coordinate_has_a_second_axis_of_zeros() -> None:
    axes = plane(normal(20, 1), normal(20, 1))
    np.testing.assert_allclose(np.abs(axes), [[1, 0]])


def test_targets_that_are_alike_are_refused_and_bad_truths_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"All Lean tokens of the sequences that judge are alike"):
        spread(np.ones((4, 3), dtype=np.float32))
    save_file({"ot_matrix": torch.zeros(2, 2, dtype=torch.bfloat16)}, tmp_path / "bf16.safetensors")
    with pytest.raises(InputError, match=r"bf16\.safetensors (cannot be read|holds no ot_matrix)"):
        read_truth(tmp_path / "bf16.safetensors", 2)
    save_file({"ot_matrix": torch.eye(2), "ot_bias": torch.tensor([0.0, torch.nan])}, tmp_path / "nan.safetensors")
    with pytest.raises(InputError, match=r"nan\.safetensors: ot_bias is not finite"):
        read_truth(tmp_path / "nan.safetensors", 2)
