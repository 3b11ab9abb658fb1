"""Layout, points and page of the map."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifact import external
from tasks.clusters import by_size, c_tf_idf, find_clusters, most_telling, words_of
from tasks.errors import InputError
from tasks.prompt_map.columns import pack, quantised, unpack
from tasks.prompt_map.draw import draw
from tasks.prompt_map.layout import into_cube, layout, placed_between
from tasks.prompt_map.neighbours import nearest_others
from tasks.prompt_map.page import SOURCES, counts_sentence, inlined, map_page
from tasks.prompt_map.params import MapParams
from tasks.prompt_map.points import map_points, sizes, source_colours
from tasks.prompt_map.shown import density_quantiles, shown_rows
from tasks.prompt_map.task import draw_prompt_map
from tasks.tables import write_embeddings

WEIGHTING = {"alpha": 2.0, "floor": 1e-3, "cap": 20.0}


def unit_vectors(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    emb = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return emb / np.linalg.norm(emb, axis=1, keepdims=True)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9, 14, 60])
def test_any_number_of_points_fits_the_cube(n: int) -> None:
    found = layout(unit_vectors(n), n_neighbors=15, min_dist=0.1, seed=0)
    for places, dimensions in ((found.solid, 3), (found.flat, 2)):
        assert places.shape == (n, dimensions)
        assert np.abs(places).max() == pytest.approx(1.0 if n > 1 else 0.0, abs=1e-5)


def test_points_all_alike_stand_at_the_origin() -> None:
    found = layout(np.full((30, 4), 0.5, dtype=np.float32), n_neighbors=15, min_dist=0.1, seed=0)
    assert not found.solid.any()
    assert not found.flat.any()


def test_seed_decides_the_layout() -> None:
    emb = unit_vectors(80)
    first, again, other = (layout(emb, n_neighbors=10, min_dist=0.1, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.solid, again.solid)
    np.testing.assert_array_equal(first.flat, again.flat)
    assert np.abs(first.solid - other.solid).max() > 0.05


def test_clusters_stay_together() -> None:
    centres = np.repeat(np.eye(3, 8, dtype=np.float32), 40, axis=0)
    emb = centres + 0.05 * unit_vectors(120)
    found = layout(emb / np.linalg.norm(emb, axis=1, keepdims=True), n_neighbors=10, min_dist=0.1, seed=0)
    for places in (found.solid, found.flat):
        middles = places.reshape(3, 40, -1).mean(axis=1)
        nearest = np.linalg.norm(places[:, None] - middles[None], axis=2).argmin(axis=1)
        assert (nearest == np.repeat(np.arange(3), 40)).all()


@given(st.integers(1, 30), st.integers(0, 99))
def test_one_scale_keeps_the_shape(n: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32) * 7 + 3
    placed = into_cube(points)
    before, after = np.ptp(points, axis=0), np.ptp(placed, axis=0)
    if before.max() > 0:
        np.testing.assert_allclose(after / after.max(), before / before.max(), atol=1e-4)
    assert np.abs(placed).max() <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array))
def test_rarer_is_bigger(density: np.ndarray) -> None:
    size = sizes(density)
    assert size.min() >= 0.5
    assert size.max() <= 2.5
    assert (np.diff(size[np.argsort(density)]) <= 0).all()
    if density.min() == density.max():
        assert set(size) == {1.5}
    else:
        assert (size.min(), size.max()) == (0.5, 2.5)


def test_every_source_has_its_own_colour() -> None:
    colours = source_colours([f"s{row}" for row in range(40)])
    assert len(set(colours.values())) == 40
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours.values())


def test_neighbours_are_those_of_a_full_comparison() -> None:
    emb = unit_vectors(50)
    cosine, row = nearest_others(emb, 5)
    every = emb @ emb.T
    np.fill_diagonal(every, -2)
    np.testing.assert_array_equal(row, np.argsort(-every, axis=1)[:, :5])
    np.testing.assert_allclose(cosine, np.sort(every, axis=1)[:, ::-1][:, :5], atol=1e-6)


def test_many_twins_are_each_others_neighbours_and_never_their_own() -> None:
    _, row = nearest_others(np.repeat(unit_vectors(2), 40, axis=0), 3)
    assert row.shape == (80, 3)
    assert (row != np.arange(80)[:, None]).all()
    assert (row // 40 == np.arange(80)[:, None] // 40).all()


def test_a_twin_of_a_laid_out_point_is_placed_on_it() -> None:
    emb = unit_vectors(30)
    places = np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32)
    np.testing.assert_allclose(placed_between(emb[4:6], emb, places), places[4:6], atol=0.05)


def test_words_are_told_by_c_tf_idf() -> None:
    """Two classes of 6 and 4 words, so A = 5: W = tf · log(1 + 5 / f)."""
    first, second = c_tf_idf([Counter(cat=4, the=2), Counter(dog=2, the=2)])
    assert first == pytest.approx({"cat": 4 * np.log(1 + 5 / 4), "the": 2 * np.log(1 + 5 / 4)})
    assert second == pytest.approx({"dog": 2 * np.log(1 + 5 / 2), "the": 2 * np.log(1 + 5 / 4)})
    assert most_telling(second)[0] == "dog"


def test_words_leave_numbers_and_function_words_out() -> None:
    assert words_of("The λx of 3 Cats, the dog's l'été x2") == ["λx", "cats", "dog's", "été"]


def test_clusters_are_found_and_named() -> None:
    places = np.repeat(np.eye(3, dtype=np.float32), [60, 40, 20], axis=0)
    places += np.random.default_rng(0).normal(scale=0.02, size=places.shape).astype(np.float32)
    prompts = [
        f"{word} number {row}" for word, many in (("boat", 60), ("goat", 40), ("coat", 20)) for row in range(many)
    ]
    found = find_clusters(places, prompts)
    names = np.array([words[0] for words in found.keywords])
    assert (names[found.of_point] == np.repeat(["boat", "goat", "coat"], [60, 40, 20])).all()
    assert (np.diff(np.bincount(found.of_point)) <= 0).all()


def test_few_points_have_no_clusters() -> None:
    found = find_clusters(np.zeros((5, 3), dtype=np.float32), ["a"] * 5)
    assert found.keywords == []
    assert (found.of_point == -1).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_the_largest_cluster_is_the_first(labels: list[int]) -> None:
    _, dense = np.unique(labels, return_inverse=True)
    renamed = by_size(dense)
    assert (np.diff(np.bincount(renamed)) <= 0).all()
    assert len(set(zip(labels, renamed, strict=True))) == len(set(labels))


def test_columns_come_back() -> None:
    rng = np.random.default_rng(0)
    columns = {
        "odd": rng.integers(0, 255, 7).astype(np.uint8),
        "places": quantised(rng.uniform(-1, 1, (5, 3))),
        "density": rng.normal(size=3).astype(np.float32),
    }
    head, back = unpack(pack({"text": "λ </script> \u202e", "list": [1, None]}, columns))
    assert head == {"text": "λ </script> \u202e", "list": [1, None]}
    assert list(back) == list(columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(back[name], column.ravel())


def test_all_are_shown_where_they_fit_and_the_rare_first_where_not() -> None:
    assert shown_rows(np.ones(10), 10, seed=0).tolist() == list(range(10))
    weight = np.where(np.arange(2000) < 200, 10.0, 0.5)
    rows = shown_rows(weight, 300, seed=0)
    assert len(set(rows.tolist())) == 300
    assert (np.diff(rows) > 0).all()
    assert (rows < 200).sum() > 150


def test_quantiles_stand_for_all_densities() -> None:
    density = np.random.default_rng(0).beta(8, 4, 50_000)
    stand = density_quantiles(density)
    for power in (-3.0, 1.0):
        assert ((0.001 + stand) ** power).mean() == pytest.approx(((0.001 + density) ** power).mean(), rel=0.02)


def test_the_page_says_that_it_shows_a_sample() -> None:
    assert counts_sentence(1200, 1200, 1) == "1,200 prompts from 1 source"
    sentence = counts_sentence(1200, 30_000, 2)
    assert sentence == "1,200 of 30,000 prompts from 2 sources: a sample, the rarer the likelier"
    assert sentence in map_page("", sentence)


def test_modules_are_inlined_once_each_and_imports_first() -> None:
    script = inlined("main.js")
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    for module in SOURCES.glob("*.js"):
        for name in re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", module.read_text(), re.MULTILINE):
            assert len(re.findall(rf"^(?:async )?(?:function|class|const) {name}\b", script, re.MULTILINE)) == 1
    assert script.index("class Camera") < script.index("class PromptMap") < script.index("function start(")


def test_page_sources_hold_no_address() -> None:
    for source in SOURCES.iterdir():
        assert set(re.findall(r"https?://[^\"]*", source.read_text())) <= {"http://www.w3.org/2000/svg"}


def test_embedding_without_prompt_is_refused() -> None:
    prompts = pl.DataFrame({"id": ["a"], "prompt": ["x"], "source": ["s"]})
    weights = pl.DataFrame({"id": ["a", "b"], "density": [0.1, 0.2], "weight": [1.0, 1.0]})
    with pytest.raises(InputError, match="'b'"):
        map_points(prompts, ["a", "b"], weights)


def test_task_writes_json_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ids = ["b", "a", "c"]
    write_embeddings(tmp_path / "embeddings.parquet", ids, unit_vectors(3))
    texts = ["short", "long " * 80, "</script><script>alert(1)</script>"]
    pl.DataFrame({"id": ids, "prompt": texts, "source": ["s", "t", "s"]}).reverse().write_parquet("prompts.parquet")
    densities = {"id": ids, "density": [0.1, 0.5, 0.9], "weight": [1.0, 1.0, 1.0]}
    (tmp_path / "density").mkdir()
    pl.DataFrame(densities).write_parquet("density/weights.parquet")
    Path("density/report.json").write_text('{"alpha": 2.0, "floor": 0.001, "cap": 20}')
    inputs = [external(name) for name in ("prompts.parquet", "embeddings.parquet", "density")]
    made = draw_prompt_map.fn(*inputs, MapParams())
    points = json.loads((made.path / "embeddings_3d.json").read_text())["points"]
    assert [set(point) for point in points] == [{"x", "y", "z", "size", "color", "prompt"}] * 3
    assert [point["size"] for point in points] == [2.5, 1.5, 0.5]
    assert points[0]["prompt"] == "short"
    assert len(points[1]["prompt"]) == 200
    assert points[0]["color"] == points[2]["color"] != points[1]["color"]
    page = (made.path / "prompt_map.html").read_text()
    assert "alert(1)</script>" not in page
    assert "<script src" not in page


def test_only_a_sample_of_many_is_on_the_page_and_all_are_in_the_json() -> None:
    n = 240
    ids = [f"p{row}" for row in range(n)]
    prompts = pl.DataFrame({"id": ids, "prompt": ids, "source": ["s"] * n, "reward": np.linspace(-1, 1, n)})
    density = np.linspace(0.1, 0.9, n)
    weights = pl.DataFrame({"id": ids, "density": density, "weight": 1 / density})
    drawn = draw(prompts, ids, unit_vectors(n), weights, WEIGHTING, MapParams(shown=100, n_neighbors=5))
    assert len(json.loads(drawn.json)["points"]) == n
    assert "100 of 240 prompts" in drawn.page
    packed = re.search(r'id="data">([^<]*)<', drawn.page)
    assert packed
    head, columns = unpack(packed[1])
    assert len(head["ids"]) == drawn.shown == 100
    assert head["weighting"] == WEIGHTING
    assert len(columns["densities"]) == 1001
    np.testing.assert_allclose(columns["density"], density[[ids.index(name) for name in head["ids"]]], rtol=1e-6)
    np.testing.assert_allclose(
        columns["reward"], np.linspace(-1, 1, n)[[ids.index(name) for name in head["ids"]]], atol=1e-6
    )
    assert columns["neighbour"].max() < 100
