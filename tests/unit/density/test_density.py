"""Density, weights and the weighted sample."""

import json
from pathlib import Path

import faiss
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from tasks.artifact import external
from tasks.density.inputs import check_ids, check_texts, read_scores
from tasks.density.neighbours import distinct_vectors, knn_density, nearest_neighbours
from tasks.density.params import DensityParams
from tasks.density.report import density_page, density_report, source_rows
from tasks.density.sample import weighted_sample
from tasks.density.task import weigh_by_density
from tasks.density.weights import effective_size, inverse_density_weights, solve_weights
from tasks.errors import InputError
from tasks.tables import write_embeddings

densities = st.lists(st.floats(-1, 1), min_size=1, max_size=60).map(np.array)


def unit_vectors(n: int, dim: int, seed: int = 0) -> np.ndarray:
    emb = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return emb / np.linalg.norm(emb, axis=1, keepdims=True)


def test_three_vectors_in_closed_form() -> None:
    emb = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    np.testing.assert_allclose(knn_density(emb, k=1).values, [0.6, 0.8, 0.8], atol=1e-6)
    np.testing.assert_allclose(knn_density(emb, k=2).values, [0.3, 0.4, 0.7], atol=1e-6)
    np.testing.assert_allclose(knn_density(emb, k=50).values, [0.3, 0.4, 0.7], atol=1e-6)


def test_neighbours_are_those_of_sklearn() -> None:
    emb = unit_vectors(5000, 16)
    twin = NearestNeighbors(n_neighbors=11, metric="cosine", algorithm="brute").fit(emb)
    distance, rows = twin.kneighbors(emb[:300])
    similarity, neighbour, _ = nearest_neighbours(emb, 10)
    np.testing.assert_allclose(similarity[:300], 1 - distance[:, 1:], atol=1e-5)
    assert (neighbour[:300] == rows[:, 1:]).mean() > 0.999


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 99))
def test_no_point_is_its_own_neighbour(n: int, k: int, seed: int) -> None:
    similarity, neighbour, _ = nearest_neighbours(unit_vectors(n, 3, seed), k)
    assert similarity.shape == neighbour.shape == (n, k)
    assert (neighbour != np.arange(n)[:, None]).all()
    assert ((neighbour >= 0).sum(axis=1) == min(k, n - 1)).all()
    assert (np.isnan(similarity) == (neighbour < 0)).all()
    for row in neighbour:
        assert len(set(row[row >= 0])) == (row >= 0).sum()


def test_copies_change_no_density() -> None:
    emb = unit_vectors(200, 8)
    copied = np.concatenate([emb, np.repeat(emb[:1], 51, axis=0)])
    np.testing.assert_allclose(knn_density(copied, 10).values[:200], knn_density(emb, 10).values, atol=1e-6)
    assert distinct_vectors(copied).counts.max() == 52
    assert np.ptp(knn_density(copied, 10).values[200:]) == 0


@pytest.mark.parametrize("copies", [1, 7])
def test_one_point_alone_has_density_0(copies: int) -> None:
    assert knn_density(np.ones((copies, 4), dtype=np.float32), 10).values.tolist() == [0.0] * copies


def test_opposite_points_have_density_0() -> None:
    assert knn_density(np.array([[1, 0], [-1, 0]], dtype=np.float32), 3).values.tolist() == [0.0, 0.0]


def test_density_ignores_the_length_of_vectors() -> None:
    emb = unit_vectors(50, 6)
    scale = np.linspace(0.1, 9, 50, dtype=np.float32)[:, None]
    np.testing.assert_allclose(knn_density(emb * scale, 5).values, knn_density(emb, 5).values, atol=1e-5)


@given(densities, st.floats(0, 8), st.floats(1, 50))
def test_rarer_is_heavier(density: np.ndarray, alpha: float, max_ratio: float) -> None:
    weight = inverse_density_weights(density, alpha=alpha, floor=1e-3, max_ratio=max_ratio)
    order = np.argsort(density)
    assert (np.diff(weight[order]) <= 1e-9 * weight.max()).all()
    assert weight.mean() == pytest.approx(1)
    assert weight.max() <= max_ratio * np.median(weight) * (1 + 1e-9)


def test_weights_in_closed_form() -> None:
    weight = inverse_density_weights(np.array([0.0, 0.1, 0.9]), alpha=2, floor=0.1)
    np.testing.assert_allclose(weight / weight[2], [100, 25, 1])
    capped = inverse_density_weights(np.array([0.0, 0.1, 0.9]), alpha=2, floor=0.1, max_ratio=3)
    np.testing.assert_allclose(capped / capped[1], [3, 1, 0.04])


def test_alpha_0_is_uniform() -> None:
    assert inverse_density_weights(np.array([0.1, 0.9]), alpha=0, floor=1e-3).tolist() == [1.0, 1.0]


@given(st.floats(0.3, 1), st.integers(0, 1000))
def test_alpha_meets_the_target_size(target: float, seed: int) -> None:
    density = np.random.default_rng(seed).beta(4, 3, size=500)
    weighting = solve_weights(density, target_ess=target, floor=1e-3, max_ratio=20)
    assert weighting.on_target
    assert effective_size(weighting.weight) == pytest.approx(500 * target, rel=0.01)


def test_equal_densities_are_uniform_and_said_to_miss_the_target() -> None:
    weighting = solve_weights(np.full(9, 0.4), target_ess=0.6, floor=1e-3, max_ratio=20)
    assert (weighting.alpha, weighting.on_target, weighting.capped) == (0.0, False, 0)
    assert weighting.weight.tolist() == [1.0] * 9


@given(densities, st.integers(0, 99))
def test_no_row_is_drawn_twice(density: np.ndarray, seed: int) -> None:
    weight = inverse_density_weights(density, alpha=2, floor=1e-3)
    for budget in (1, len(weight)):
        drawn = weighted_sample(weight, budget, seed)
        assert len(set(drawn.tolist())) == budget
        assert drawn.tolist() == weighted_sample(weight, budget, seed).tolist()


def test_inclusion_follows_the_weights() -> None:
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    draws = [weighted_sample(weight, 2, seed) for seed in range(20_000)]
    first = np.bincount([drawn[0] for drawn in draws], minlength=4) / len(draws)
    np.testing.assert_allclose(first, weight / 10, atol=0.012)
    included = np.bincount(np.concatenate(draws), minlength=4) / len(draws)
    share = weight / 10
    exact = [p + sum(q * p / (1 - q) for j, q in enumerate(share) if j != i) for i, p in enumerate(share)]
    np.testing.assert_allclose(included, exact, atol=0.012)


def test_budget_over_n_is_an_error() -> None:
    with pytest.raises(InputError, match="Give at most 3"):
        weighted_sample(np.ones(3), 4, 0)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_task_writes_weights_sample_and_report(n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ids = [f"p{row}" for row in range(n)]
    write_embeddings(tmp_path / "embeddings.parquet", ids, unit_vectors(n, 4))
    made = weigh_by_density.fn(external("embeddings.parquet"), None, DensityParams(budget=n))
    table = pl.read_parquet(made.path / "weights.parquet")
    assert table["id"].to_list() == ids
    assert table["weight"].mean() == pytest.approx(1)
    assert sorted((made.path / "sampled_ids.txt").read_text().split()) == sorted(ids)
    report = json.loads((made.path / "report.json").read_text())
    assert report["n"] == n
    assert report["rarest"][0]["weight"] == table["weight"].max()
    assert report["rarest"][0]["id"] in (made.path / "density.md").read_text()


def clustered(n: int, seed: int = 0) -> np.ndarray:
    """Points around 60 centres in 24 dimensions, as embedded texts lie around topics."""
    rng = np.random.default_rng(seed)
    emb = rng.normal(size=(60, 24))[rng.integers(60, size=n)] + 0.3 * rng.normal(size=(n, 24))
    return (emb / np.linalg.norm(emb, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("index", "scanned"), [("scan", 10_000), ("lists", 1000)])
@pytest.mark.parametrize("dimensions", [24, 23])
def test_a_faster_search_finds_the_wanted_share_of_the_true_neighbours(
    monkeypatch: pytest.MonkeyPatch, index: str, scanned: int, dimensions: int
) -> None:
    monkeypatch.setattr("tasks.density.neighbours.SCANNED_UP_TO", scanned)
    emb = clustered(6000)[:, :dimensions]
    exact, true, plain = nearest_neighbours(emb, 20)
    faster, found, search = nearest_neighbours(emb, 20, exact_up_to=1000)
    assert (plain.index, search.index) == ("flat", index)
    assert search.per_neighbour > 0
    assert (0 < search.probes < search.lists) == (index == "lists")
    recall = np.mean([len(np.intersect1d(f, t)) / 20 for f, t in zip(found, true, strict=True)])
    assert recall >= 0.985
    assert search.recall == pytest.approx(recall, abs=0.01)
    assert np.abs(np.nanmean(faster, axis=1) - exact.mean(axis=1)).mean() < 1e-3
    assert (found != np.arange(6000)[:, None]).all()


@pytest.mark.parametrize("scanned", [10_000, 1000])
def test_a_faster_search_finds_the_same_with_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, scanned: int
) -> None:
    monkeypatch.setattr("tasks.density.neighbours.SCANNED_UP_TO", scanned)
    found = []
    before = faiss.omp_get_max_threads()
    for threads in (1, 2, 3):
        faiss.omp_set_num_threads(threads)
        found.append(nearest_neighbours(clustered(6000), 20, exact_up_to=1000)[1])
    faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_where_no_faster_search_finds_enough_it_is_exact() -> None:
    """Forty knots so narrow that a code says which one, and nothing of where in it."""
    rng = np.random.default_rng(0)
    emb = np.repeat(rng.normal(size=(40, 16)), 1000, axis=0) + 1e-4 * rng.normal(size=(40_000, 16))
    similarity, _, search = nearest_neighbours(emb.astype(np.float32), 10, exact_up_to=1000)
    assert (search.index, search.fell_back, search.recall) == ("flat", True, 1.0)
    np.testing.assert_array_equal(similarity, nearest_neighbours(emb.astype(np.float32), 10)[0])


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 99))
def test_distinct_vectors_are_those_of_numpy(n: int, values: int, seed: int) -> None:
    emb = np.random.default_rng(seed).integers(-values, values, size=(n, 2)).astype(np.float32) * -1.0
    distinct = distinct_vectors(emb)
    twin = {tuple(row): None for row in emb.tolist()}
    assert distinct.emb.tolist() == [list(row) for row in twin]
    assert (emb[distinct.first] == distinct.emb).all()
    assert (distinct.emb[distinct.row_of] == emb).all()
    assert distinct.counts.sum() == n


def test_neighbours_are_named_by_their_own_rows() -> None:
    emb = np.array([[0, 1], [1, 0], [1, 0], [0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    density = knn_density(emb, 2)
    assert [row for row, _ in density.neighbours(2)] == [3, 4]
    np.testing.assert_allclose([cosine for _, cosine in density.neighbours(2)], [0.8, 0.6], atol=1e-6)
    assert [row for row, _ in density.neighbours(3)] == [4, 1]


def test_the_report_quotes_prompts_as_text_and_counts_sources() -> None:
    ids = [f"p{row}" for row in range(30)]
    emb = unit_vectors(30, 4)
    params = DensityParams(k=3)
    density = knn_density(emb, 3)
    weighting = solve_weights(density.values, target_ess=0.6, floor=1e-3, max_ratio=20)
    report = density_report(ids, density, weighting, params)
    assert sum(report["histogram"]["counts"]) == 30
    assert sum(report["histogram"]["weight"]) == pytest.approx(30)
    weights = pl.DataFrame({"id": ids, "density": density.values, "weight": weighting.weight})
    prompts = pl.DataFrame({"id": ids, "source": ["a", "b|c"] * 15})
    by_source = source_rows(prompts, weights)
    assert sum(row["prompts"] * row["mean_weight"] for row in by_source) == pytest.approx(30, abs=0.1)
    rarest = report["rarest"][0]["id"]
    page = density_page(report, by_source, {name: f"`<b>` {name}\n# title" for name in ids})
    assert f"`'<b>' {rarest} # title`" in page
    assert "\n# title" not in page


def test_the_length_of_a_vector_never_counts() -> None:
    emb = unit_vectors(50, 8)
    expected = knn_density(emb, 5).values
    for scale in (1e-30, 1.0, 1e30):
        np.testing.assert_allclose(knn_density(emb * np.float32(scale), 5).values, expected, atol=1e-6)


def test_more_neighbours_than_there_are_take_no_more_memory() -> None:
    density = knn_density(unit_vectors(50, 8), 2_000_000_000)
    assert density.similarity.shape == (50, 49)


@pytest.mark.parametrize(("noise", "k"), [(1.0, 1), (2.0, 3)])
def test_recall_is_of_the_other_points(noise: float, k: int) -> None:
    """The point itself is always found: counted, it would hide half of what a search for one neighbour misses."""
    rng = np.random.default_rng(0)
    emb = (rng.normal(size=(60, 24))[rng.integers(60, size=12_000)] + noise * rng.normal(size=(12_000, 24))).astype(
        np.float32
    )
    _, true, _ = nearest_neighbours(emb, k)
    _, found, search = nearest_neighbours(emb, k, exact_up_to=1000)
    recall = np.mean([len(np.intersect1d(f, t)) / k for f, t in zip(found, true, strict=True)])
    assert search.recall == pytest.approx(recall, abs=0.006)


@pytest.mark.parametrize("name", ["", "a\nb", "c\r", "d\u2028e"])
def test_ids_that_a_line_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="row 2"):
        check_ids(["fine", name])


def test_texts_that_repeat_an_id_or_know_none_are_refused() -> None:
    with pytest.raises(InputError, match="repeat the id 'a'"):
        check_texts(pl.DataFrame({"id": ["a", "a"]}), ["a", "b"])
    with pytest.raises(InputError, match="None of the prompts has the id of a vector"):
        check_texts(pl.DataFrame({"id": ["x"]}), ["a", "b"])
    check_texts(pl.DataFrame({"id": ["x", "b"]}), ["a", "b"])


def test_scores_weigh_in_the_place_of_density(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ids = [f"p{row}" for row in range(40)]
    write_embeddings(tmp_path / "e.parquet", ids, unit_vectors(40, 4))
    score = np.random.default_rng(0).uniform(0.01, 1, 40)
    pl.DataFrame({"id": ids[::-1], "score": score[::-1]}).write_parquet(tmp_path / "s.parquet")
    made = weigh_by_density.fn(
        external(tmp_path / "e.parquet"), None, DensityParams(k=3), external(tmp_path / "s.parquet")
    )
    weights = pl.read_parquet(made.path / "weights.parquet")
    assert (np.argsort(weights["weight"], kind="stable") == np.argsort(score, kind="stable")).all()
    assert effective_size(weights["weight"].to_numpy()) == pytest.approx(0.6 * 40, rel=0.01)
    page = (made.path / "density.md").read_text()
    assert "Weights ∝ (floor + median score / score)^-α" in page
    heaviest = weights.sort("weight")["id"][-1]
    assert f"`{heaviest}`" in page.split("## Rarest")[1].splitlines()[2]
    pl.DataFrame({"id": ids, "score": 1e4 * score}).write_parquet(tmp_path / "t.parquet")
    in_another_unit = weigh_by_density.fn(
        external(tmp_path / "e.parquet"), None, DensityParams(k=3), external(tmp_path / "t.parquet")
    )
    again = pl.read_parquet(in_another_unit.path / "weights.parquet")
    assert again["weight"].to_list() == pytest.approx(weights["weight"].to_list())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"id": ["a"], "score": [1.0]}, r"for 1 of 2 prompts, the first 'b' \(score None\)"),
        ({"id": ["a", "b"], "score": [1.0, 0.0]}, r"the first 'b' \(score 0.0\)"),
        ({"id": ["a", "b"], "score": [float("nan"), 1.0]}, r"the first 'a' \(score nan\)"),
        ({"id": ["a", "b", "b"], "score": [1.0, 1.0, 2.0]}, "1 ids on several rows, the first 'b': which score counts"),
    ],
)
def test_scores_that_cannot_weigh_are_refused(rows: dict[str, list[object]], said: str, tmp_path: Path) -> None:
    pl.DataFrame(rows).write_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match=said):
        read_scores(tmp_path / "s.parquet", ["a", "b"])
