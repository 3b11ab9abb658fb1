"""Places of documents that were not laid out, embeddings of places, and how both are judged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness as in_sample

from tasks.text_map.fit import Scaler, fit_networks
from tasks.text_map.params import PlacingParams
from tasks.text_map.peers import umap_on
from tasks.text_map.place import (
    embeddings_at,
    geometric_median,
    nearest_documents,
    place_by_network,
    place_hybrid,
)
from tasks.text_map.quality import (
    BANDWIDTHS,
    coordinate_errors,
    cosines,
    embedding_errors,
    kernel_means,
    kernel_oracle,
    neighbour_recall,
    trustworthiness,
)
from tasks.text_map.splits import split
from tasks.vectors import unit

RNG = np.random.default_rng(0)


def clustered(n: int, dim: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors [n, D] in four directions, with places [n, 2] in four corners."""
    of = RNG.integers(0, 4, n)
    corners = np.float32([[0, 0], [6, 0], [0, 6], [6, 6]])
    emb = unit((3 * np.eye(4, dim)[of] + 0.6 * RNG.standard_normal((n, dim))).astype(np.float32))
    return emb, (corners[of] + 0.4 * emb[:, 4:6] * 5).astype(np.float32)


@given(st.integers(3, 20), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_no_place_has_a_smaller_sum_of_distances_than_the_geometric_median(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((1, k, 2)).astype(np.float32)
    median = geometric_median(points)[0]

    def total(at: np.ndarray) -> float:
        return float(np.linalg.norm(points[0] - at, axis=1).sum())

    for other in [*points[0], points[0].mean(axis=0), *(median + 0.05 * rng.standard_normal((8, 2)))]:
        assert total(median) <= total(other) * (1 + 1e-3)


def test_one_far_neighbour_does_not_move_the_median_as_it_moves_the_mean() -> None:
    points = np.float32([[[0, 0], [0.1, 0], [0, 0.1], [0.1, 0.1], [50, 50]]])
    assert np.linalg.norm(geometric_median(points)[0]) < 0.2
    assert np.linalg.norm(points[0].mean(axis=0)) > 10


def test_a_document_between_clusters_is_placed_in_one_of_them() -> None:
    emb, places = clustered(400)
    between = unit((np.eye(4, 12)[0] + 0.9 * np.eye(4, 12)[3])[None].astype(np.float32))
    placed = place_hybrid(between, emb, places)[0]
    assert np.linalg.norm(places - placed, axis=1).min() < 1
    assert len(nearest_documents(between, emb[:3])[1][0]) == 3


def test_trustworthiness_and_recall_agree_with_slow_readable_twins() -> None:
    emb, places = clustered(70)
    new, at = emb[:20], RNG.standard_normal((20, 2)).astype(np.float32) * 3
    known, there, k, n = emb[20:], places[20:], 5, 50
    beyond, shared = 0, 0
    for vector, place in zip(new, at, strict=True):
        near = np.argsort(np.linalg.norm(there - place, axis=1))[:k]
        order = list(np.argsort(-(known @ vector)))
        beyond += sum(max(0, order.index(row) + 1 - k) for row in near)
        shared += len(set(near) & set(order[:k]))
    worst = 20 * k * (2 * n - 3 * k + 1) / 2
    assert trustworthiness(new, at, known, there, k) == pytest.approx(1 - beyond / worst)
    assert neighbour_recall(new, at, known, there, k) == pytest.approx(shared / (20 * k))


def test_trustworthiness_is_that_of_scikit_learn_where_a_point_joins_all_others() -> None:
    emb, places = clustered(60)
    each = [
        trustworthiness(emb[[row]], places[[row]], np.delete(emb, row, 0), np.delete(places, row, 0), 5)
        for row in range(60)
    ]
    assert np.mean(each) == pytest.approx(in_sample(emb, places, n_neighbors=5, metric="cosine"), abs=1e-9)


def test_errors_are_those_of_known_cases() -> None:
    there = np.zeros((4, 2), dtype=np.float32)
    assert coordinate_errors(there + np.float32([1, -1]), there) == {"coordinate_mse": 1.0, "coordinate_mae": 1.0}
    emb = unit(RNG.standard_normal((9, 6)).astype(np.float32))
    same, turned = embedding_errors(3 * emb, emb), embedding_errors(-emb, emb)
    assert same["avg_cosine_similarity"] == pytest.approx(1.0)
    assert turned["avg_cosine_similarity"] == pytest.approx(-1.0)
    assert turned["embedding_mse"] == pytest.approx(4 / 6)
    assert cosines(np.zeros((1, 2), dtype=np.float32), np.ones((1, 2), dtype=np.float32))[0] == 0


def test_kernel_means_are_nadaraya_and_watsons() -> None:
    emb, places = clustered(30)
    at = places[:3] + np.float32(0.2)
    weight = np.exp(-np.square(at[:, None] - places).sum(2) / (2 * 0.5**2))
    wanted = weight @ emb / weight.sum(1, keepdims=True)
    np.testing.assert_allclose(kernel_means(at, places, emb, 0.5), wanted, rtol=1e-4)
    best, width = kernel_oracle(at, emb[:3], places, emb)
    means = {tried: cosines(kernel_means(at, places, emb, tried), emb[:3]).mean() for tried in BANDWIDTHS}
    assert cosines(best, emb[:3]).mean() == pytest.approx(max(means.values()))
    assert means[width] == max(means.values())


def test_the_worst_placement_has_no_trustworthiness() -> None:
    emb, places = unit(np.eye(9, dtype=np.float32) + 0.1 * np.arange(9, dtype=np.float32)), np.zeros((9, 2), np.float32)
    known, new = emb[:8], emb[8:]
    order = np.argsort(-(known @ new[0]))
    places[order, 0] = np.arange(8)[::-1]  # the nearest stand farthest
    assert trustworthiness(new, np.zeros((1, 2), np.float32), known, places[:8], 3) == pytest.approx(0)


def test_networks_place_new_documents_and_give_embeddings_back() -> None:
    emb, raw = clustered(1200)
    rows, held = split(len(emb), 0)
    scaler = Scaler.of(raw[rows])
    places = scaler.standardised(raw)
    np.testing.assert_allclose(scaler.back(places), raw, atol=1e-5)
    encoder, decoder = fit_networks(emb[rows], places[rows], PlacingParams(epochs=15, batch_size=32))
    placed = place_by_network(encoder, emb[held])
    assert coordinate_errors(placed, places[held])["coordinate_mse"] < 0.05
    vectors, confidence = embeddings_at(decoder, places[held])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert cosines(vectors, emb[held]).mean() > 0.75
    far, _ = embeddings_at(decoder, np.float32([[0, 0]]))
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert far.shape == (1, 12)


def test_training_is_decided_by_its_seed() -> None:
    emb, raw = clustered(60)
    places = Scaler.of(raw).standardised(raw)
    one, again, other = (
        fit_networks(emb, places, PlacingParams(epochs=2, batch_size=16, seed=seed))[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(place_by_network(one, emb), place_by_network(again, emb))
    assert not np.array_equal(place_by_network(one, emb), place_by_network(other, emb))


def test_umap_places_on_the_given_map_in_its_units() -> None:
    emb, raw = clustered(300)
    peer = umap_on(emb[:250], 100 * raw[:250] + 7, 0)
    placed = peer.transform(emb[250:])
    apart = np.linalg.norm(placed - (100 * raw[250:] + 7), axis=1)
    assert np.median(apart) < 150


def test_splits_hold_a_tenth_out_and_one_at_least() -> None:
    for n, held_out in ((10, 1), (95, 10), (100_000, 2000)):
        rows, held = split(n, 3)
        assert len(held) == held_out
        assert sorted([*rows, *held]) == list(range(n))
