"""The map's points: place, size by rarity, colour by source, text."""

import colorsys
import json
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.errors import InputError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Okabe & Ito 2008 without its yellow, which is lost on white: told apart by colour-blind readers too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d")
LONGEST_PROMPT = 200
LONGEST_ON_PAGE = 2000
DECIMALS = 5


def map_points(prompts: pl.DataFrame, ids: list[str], weights: pl.DataFrame) -> pl.DataFrame:
    """One row a point: id, source, prompt (whole), density, weight, size, color, in the order of ids.

    prompts: id, prompt, source; a column reward is kept.  ids: of the vectors.  weights: id, density, weight.
    Raises InputError where an id is missing among the prompts or weights.
    """
    rows = pl.DataFrame({"id": ids})
    for what, table in (("prompts", prompts), ("weights", weights)):
        missing = rows.join(table, on="id", how="anti")
        if len(missing):
            raise InputError(
                f"{len(missing)} embedded ids are no {what}, the first is {missing['id'][0]!r}. Give prompts, "
                "embeddings and weights of one run."
            )
        rows = rows.join(table, on="id", how="left", maintain_order="left")
    colours = source_colours(rows["source"].to_list())
    return rows.with_columns(
        pl.Series("size", sizes(rows["density"].to_numpy())),
        pl.col("source").replace_strict(colours, return_dtype=pl.String).alias("color"),
    )


def placed(points: pl.DataFrame, places: Floats) -> pl.DataFrame:
    """The points with columns x, y, z. places: [n, 3]."""
    return points.with_columns(pl.Series(axis, places[:, at]) for at, axis in enumerate("xyz"))


def sizes(density: Doubles) -> Doubles:
    """0.5 + 2·(1 − density scaled to [0, 1]): from 0.5, the most common, to 2.5, the rarest; 1.5 if all are alike.

    [n] in and out.
    """
    low, high = float(density.min()), float(density.max())
    scaled = (density - low) / (high - low) if high > low else np.full(density.shape, 0.5)
    size: Doubles = 0.5 + 2.0 * (1.0 - scaled)
    return size


def source_colours(sources: list[str]) -> dict[str, str]:
    """A CSS hex colour for each source, the most frequent first; beyond seven, hues between."""
    names, counts = np.unique(np.array(sources, dtype=object).astype(str), return_counts=True)
    ordered = [str(names[row]) for row in np.lexsort((names, -counts))]
    return {name: COLOURS[row] if row < len(COLOURS) else _hue(row) for row, name in enumerate(ordered)}


def points_json(points: pl.DataFrame) -> str:
    """embeddings_3d.json: {"points": [{x, y, z, size, color, prompt}]}, prompts cut to 200 characters."""
    return json.dumps({"points": [_point(row) for row in points.iter_rows(named=True)]}, ensure_ascii=False)


def shortened(prompt: str, longest: int = LONGEST_PROMPT) -> str:
    """At most `longest` characters; an ellipsis stands for what was cut."""
    return prompt if len(prompt) <= longest else prompt[: longest - 1] + "…"


def _point(row: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: round(row[name], DECIMALS) for name in ("x", "y", "z", "size")}
    return {**numbers, "color": row["color"], "prompt": shortened(row["prompt"])}


def _hue(row: int) -> str:
    golden = 0.618033988749895
    red, green, blue = colorsys.hls_to_rgb(row * golden % 1.0, 0.42, 0.65)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
