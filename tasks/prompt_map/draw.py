"""From tables to the map's two files."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.clusters import find_clusters
from tasks.prompt_map.layout import layout, placed_between
from tasks.prompt_map.neighbours import nearest_others
from tasks.prompt_map.page import counts_sentence, map_page, page_data
from tasks.prompt_map.params import MapParams
from tasks.prompt_map.points import map_points, placed, points_json
from tasks.prompt_map.shown import density_quantiles, shown_rows

Floats = NDArray[np.float32]
NEIGHBOURS_ON_PAGE = 8


@dataclass(frozen=True)
class Drawn:
    """embeddings_3d.json and prompt_map.html."""

    json: str
    page: str
    shown: int


def draw(
    prompts: pl.DataFrame,
    ids: list[str],
    emb: Floats,
    weights: pl.DataFrame,
    weighting: dict[str, float],
    params: MapParams,
) -> Drawn:
    """Draw n prompts: all of them into the JSON, at most `params.shown` into the page.

    prompts: id, prompt, source, and reward where there is one.  ids, emb [n, D]: unit vectors.
    weights: id, density, weight.  weighting: the alpha, floor and cap that made them.
    What is shown is laid out; the others are placed between their neighbours among it.
    """
    points = map_points(prompts, ids, weights)
    rows = shown_rows(points["weight"].to_numpy(), params.shown, params.seed)
    others = np.setdiff1d(np.arange(len(ids)), rows)
    near = emb[rows]
    laid_out = layout(near, **params.model_dump(exclude={"shown"}))
    places = np.empty((len(ids), 3), dtype=np.float32)
    places[rows] = laid_out.solid
    places[others] = placed_between(emb[others], near, laid_out.solid)
    everything = placed(points, places)
    shown = everything[rows]
    page = map_page(
        page_data(
            shown,
            laid_out.flat,
            nearest_others(near, NEIGHBOURS_ON_PAGE),
            find_clusters(laid_out.solid, shown["prompt"].to_list()),
            weighting,
            density_quantiles(points["density"].to_numpy()) if len(others) else None,
        ),
        counts_sentence(len(rows), len(ids), points["source"].n_unique()),
    )
    return Drawn(points_json(everything), page, len(rows))
