"""Layout, points and page of the map."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifact import external
from tasks.errors import InputError
from tasks.prompt_map.layout import into_cube, layout
from tasks.prompt_map.page import hover_text, visible
from tasks.prompt_map.params import MapParams
from tasks.prompt_map.points import map_points, sizes, source_colours
from tasks.prompt_map.task import draw_prompt_map
from tasks.tables import write_embeddings


def unit_vectors(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    emb = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return emb / np.linalg.norm(emb, axis=1, keepdims=True)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9, 14, 60])
def test_any_number_of_points_fits_the_cube(n: int) -> None:
    places = layout(unit_vectors(n), n_neighbors=15, min_dist=0.1, seed=0)
    assert places.shape == (n, 3)
    assert np.abs(places).max() == pytest.approx(1.0 if n > 1 else 0.0, abs=1e-5)


def test_points_all_alike_stand_at_the_origin() -> None:
    assert not layout(np.full((30, 4), 0.5, dtype=np.float32), n_neighbors=15, min_dist=0.1, seed=0).any()


def test_seed_decides_the_layout() -> None:
    emb = unit_vectors(80)
    first, again, other = (layout(emb, n_neighbors=10, min_dist=0.1, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05


def test_clusters_stay_together() -> None:
    centres = np.repeat(np.eye(3, 8, dtype=np.float32), 40, axis=0)
    emb = centres + 0.05 * unit_vectors(120)
    places = layout(emb / np.linalg.norm(emb, axis=1, keepdims=True), n_neighbors=10, min_dist=0.1, seed=0)
    middles = places.reshape(3, 40, 3).mean(axis=1)
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


@given(st.text(max_size=300))
def test_hover_text_has_no_markup_but_line_breaks(prompt: str) -> None:
    assert set(re.findall("<[^>]*>?", hover_text(prompt))) <= {"<br>"}
    assert not re.search("[\x00-\x1f\u202a-\u202e\u200e\u200f]", hover_text(prompt))


def test_control_and_direction_marks_are_visible() -> None:
    assert visible("a\x00\u202eb") == "a␀⟨U+202E⟩b"


def test_embedding_without_prompt_is_refused() -> None:
    prompts = pl.DataFrame({"id": ["a"], "prompt": ["x"], "source": ["s"]})
    weights = pl.DataFrame({"id": ["a", "b"], "density": [0.1, 0.2]})
    with pytest.raises(InputError, match="'b'"):
        map_points(prompts, ["a", "b"], np.zeros((2, 3), dtype=np.float32), weights)


def test_task_writes_json_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ids = ["b", "a", "c"]
    write_embeddings(tmp_path / "embeddings.parquet", ids, unit_vectors(3))
    texts = ["short", "long " * 80, "</script><script>alert(1)</script>"]
    pl.DataFrame({"id": ids, "prompt": texts, "source": ["s", "t", "s"]}).reverse().write_parquet("prompts.parquet")
    densities = {"id": ids, "density": [0.1, 0.5, 0.9], "weight": [1.0, 1.0, 1.0]}
    pl.DataFrame(densities).write_parquet("weights.parquet")
    inputs = [external(name) for name in ("prompts.parquet", "embeddings.parquet", "weights.parquet")]
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
