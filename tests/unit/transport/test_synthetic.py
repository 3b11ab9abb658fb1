"""Random pairs: the maps that are written are the maps, and what is drawn follows them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from threadpoolctl import threadpool_limits

from tasks.token_vectors import Tokens, read_tokens
from tasks.transport.params import RandomPairsParams
from tasks.transport.synthetic import Truth, random_pairs, truth_of
from tasks.transport.task import LEAN, NL, TRUTH, make_random_pairs

KINDS = ["separate", "affine", "coupled"]
LAWS = st.builds(
    RandomPairsParams,
    distribution_type=st.sampled_from(KINDS),
    hidden_dim=st.integers(2, 9),
    mean_shift=st.floats(-3, 3),
    nl_cov_scale=st.floats(0.1, 5),
    lean_cov_scale=st.floats(0.1, 5),
    affine_scale=st.floats(0.2, 3),
    rotation_angle=st.floats(-3, 3),
    noise_scale=st.floats(0, 2),
)


def small(kind: str, **given: Any) -> RandomPairsParams:
    sizes = {"num_samples": 150, "min_len": 20, "max_len": 60, "hidden_dim": 5}
    return RandomPairsParams.model_validate({**sizes, "distribution_type": kind, "noise_scale": 0.3, **given})


def drawn(params: RandomPairsParams) -> tuple[Any, Any]:
    sides: Iterator[Any] = zip(*random_pairs(params), strict=True)
    nl, lean = (np.concatenate([group.vectors for group in side]).astype(np.float64) for side in sides)
    return nl, lean


def root(matrix: Any) -> Any:
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values) @ vectors.T


def bures_map(nl: Any, lean: Any) -> Any:
    """As the formula stands: Σx^{-1/2} (Σx^{1/2} Σy Σx^{1/2})^{1/2} Σx^{-1/2}."""
    half = root(nl)
    return np.linalg.inv(half) @ root(half @ lean @ half) @ np.linalg.inv(half)


@settings(deadline=None)
@given(LAWS)
def test_the_optimal_map_is_the_bures_map_and_carries_nl_to_lean(params: RandomPairsParams) -> None:
    truth = truth_of(params)
    np.testing.assert_array_equal(truth.ot_matrix, truth.ot_matrix.T)
    assert np.linalg.eigvalsh(truth.ot_matrix).min() > 0
    np.testing.assert_allclose(truth.ot_matrix, bures_map(truth.nl_cov, truth.lean_cov), atol=1e-4)
    np.testing.assert_allclose(truth.ot_matrix @ truth.nl_cov @ truth.ot_matrix.T, truth.lean_cov, atol=1e-4)
    np.testing.assert_allclose(truth.ot_matrix @ truth.nl_mean + truth.ot_bias, truth.lean_mean, atol=1e-4)


@settings(deadline=None)
@given(LAWS)
def test_the_pairing_and_its_noise_carry_nl_to_lean_too(params: RandomPairsParams) -> None:
    truth = truth_of(params)
    if params.distribution_type == "separate":
        assert truth.pair_matrix is truth.pair_bias is None
        assert "pair_matrix" not in truth.tensors()
        return
    assert truth.pair_matrix is not None
    noise = params.noise_scale**2 * np.eye(params.hidden_dim)
    moved = truth.pair_matrix @ truth.nl_cov @ truth.pair_matrix.T + noise
    np.testing.assert_allclose(moved, truth.lean_cov, atol=1e-4)
    np.testing.assert_allclose(truth.pair_matrix @ truth.nl_mean + truth.pair_bias, truth.lean_mean, atol=1e-4)


def test_the_pairing_of_affine_turns_and_so_is_not_the_optimal_map() -> None:
    truth = truth_of(small("affine", rotation_angle=0.3, affine_scale=0.8))
    assert truth.pair_matrix is not None
    turned = 0.8 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    np.testing.assert_allclose(truth.pair_matrix[2:4, 2:4], turned, atol=1e-6)
    np.testing.assert_allclose(truth.pair_matrix[4], [0, 0, 0, 0, 0.8], atol=1e-6)
    assert np.abs(truth.pair_matrix - truth.ot_matrix).max() > 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_has_the_moments_that_are_written(kind: str) -> None:
    params = small(kind)
    truth = truth_of(params)
    for vectors, mean, cov in zip(
        drawn(params), (truth.nl_mean, truth.lean_mean), (truth.nl_cov, truth.lean_cov), strict=True
    ):
        error = np.sqrt(cov[0, 0] / len(vectors))
        np.testing.assert_allclose(vectors.mean(0), mean, atol=5 * error)
        np.testing.assert_allclose(np.cov(vectors.T), cov, atol=8 * cov[0, 0] / np.sqrt(len(vectors)))


@pytest.mark.parametrize("kind", ["affine", "coupled"])
def test_what_the_pairing_leaves_is_the_noise(kind: str) -> None:
    params = small(kind)
    truth, (nl, lean) = truth_of(params), drawn(params)
    assert truth.pair_matrix is not None
    left = lean - nl @ truth.pair_matrix.T - truth.pair_bias
    np.testing.assert_allclose(left.std(), 0.3, rtol=0.02)
    assert np.abs(left.T @ (nl - truth.nl_mean) / len(nl)).max() < 5 * 0.3 / np.sqrt(len(nl))


def test_sides_of_separate_know_nothing_of_each_other() -> None:
    nl, lean = drawn(small("separate"))
    assert np.abs(np.corrcoef(nl.T, lean.T)[:5, 5:]).max() < 5 / np.sqrt(len(nl))


def test_both_sides_have_the_same_ids_and_lengths_and_all_lengths_occur() -> None:
    groups = list(random_pairs(small("separate", min_len=3, max_len=6)))
    assert [len(nl.ids) for nl, _ in groups] == [64, 64, 22]
    for nl, lean in groups:
        assert nl.ids == lean.ids
        np.testing.assert_array_equal(nl.lengths, lean.lengths)
    assert {int(length) for nl, _ in groups for length in nl.lengths} == {3, 4, 5, 6}


@pytest.mark.parametrize("kind", KINDS)
def test_more_samples_continue_the_same_ones(kind: str) -> None:
    few, more = (next(iter(random_pairs(small(kind, num_samples=count)))) for count in (5, 90))
    for short, long in zip(few, more, strict=True):
        np.testing.assert_array_equal(short.vectors, long.vectors[: len(short.vectors)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_bytes_on_any_number_of_threads(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    before = pa.cpu_count()
    try:
        for number, (threads, seed) in enumerate([(1, 0), (4, 0), (1, 1)]):
            (tmp_path / str(number)).mkdir()
            monkeypatch.chdir(tmp_path / str(number))
            pa.set_cpu_count(threads)
            with threadpool_limits(threads):
                made.append(make_random_pairs.fn(small(kind, seed=seed)).path)
    finally:
        pa.set_cpu_count(before)
    for name in (NL, LEAN, TRUTH):
        assert (made[0] / name).read_bytes() == (made[1] / name).read_bytes()
        assert ((made[0] / name).read_bytes() == (made[2] / name).read_bytes()) == (name == TRUTH)


def test_the_folder_holds_what_is_drawn_and_the_truth(data_folder: Path) -> None:
    params = small("affine", token_dtype="float16")
    made = make_random_pairs.fn(params)
    assert made.manifest["rows"] == 150
    sides: Iterator[Any] = zip(*random_pairs(params), strict=True)
    for name, groups in zip((NL, LEAN), sides, strict=True):
        for read, drew in zip(read_tokens(made.path / name, 5), groups, strict=True):
            assert isinstance(drew, Tokens)
            assert read.ids == drew.ids
            np.testing.assert_allclose(read.vectors, drew.vectors, atol=5e-3)
    written = load_file(made.path / TRUTH)
    assert set(written) == set(Truth.__dataclass_fields__)
    np.testing.assert_array_equal(written["pair_matrix"], truth_of(params).pair_matrix)
