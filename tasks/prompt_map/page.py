"""The map as one stand-alone HTML file: the sources in `page/` inlined, the data inside, nothing requested.

Prompts are data: they travel in a compressed block and become text nodes only. The page's own policy forbids every
request and every script and style but its own two, by their hashes.
"""

import base64
import hashlib
import html
import re
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.clusters import Clusters
from tasks.prompt_map.columns import pack, quantised
from tasks.prompt_map.points import LONGEST_ON_PAGE

SOURCES = Path(__file__).with_name("page")
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)
COSINE_STEPS = 255


def map_page(data: str, counts: str, title: str = "Prompt map") -> str:
    """The page's HTML. data: as `page_data` packs it.  counts: the sentence under the title."""
    script, style = inlined("main.js"), (SOURCES / "style.css").read_text(encoding="utf-8")
    return Template((SOURCES / "index.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        counts=html.escape(counts),
        script=script,
        script_hash=policy_hash(script),
        style=style,
        style_hash=policy_hash(style),
        data=data,
    )


def page_data(
    points: pl.DataFrame,
    flat: NDArray[np.float32],
    neighbours: tuple[NDArray[np.float32], NDArray[np.int64]],
    clusters: Clusters,
    weighting: dict[str, float],
    densities: NDArray[np.float64] | None = None,
) -> str:
    """What the page knows of its n points, packed.

    points: id, source, color, prompt, density, x, y, z, and reward where there is one.  flat: [n, 2] in [-1, 1].
    neighbours: cosines and rows, [n, k].  weighting: alpha, floor, cap.  densities: what stands for those of all
    prompts where the page shows a sample.
    """
    colours = dict(points.select("source", "color").unique(maintain_order=True).iter_rows())
    counted = points["source"].value_counts().sort("count", "source", descending=[True, False])
    names = counted["source"].to_list()
    cosine, row = neighbours
    columns: dict[str, NDArray[Any]] = {
        "solid": quantised(points.select("x", "y", "z").to_numpy()),
        "flat": quantised(flat),
        "source": points["source"].replace_strict(names, range(len(names)), return_dtype=pl.UInt16).to_numpy(),
        "cluster": clusters.of_point.astype(np.int16),
        "density": points["density"].cast(pl.Float32).to_numpy(),
        "lengths": points["prompt"].str.len_chars().cast(pl.UInt32).to_numpy(),
        "neighbour": row.astype(np.uint16 if len(points) <= 2**16 else np.uint32),
        "cosine": np.rint(np.clip(cosine, 0, 1) * COSINE_STEPS).astype(np.uint8),
    }
    if densities is not None:
        columns["densities"] = densities.astype(np.float32)
    if "reward" in points.columns:
        columns["reward"] = points["reward"].cast(pl.Float32).fill_null(float("nan")).to_numpy()
    head = {
        "ids": points["id"].to_list(),
        "prompts": points["prompt"].str.slice(0, LONGEST_ON_PAGE).to_list(),
        "sources": [{"name": name, "colour": colours[name]} for name in names],
        "clusters": clusters.keywords,
        "weighting": weighting,
    }
    return pack(head, columns)


def counts_sentence(shown: int, total: int, sources: int) -> str:
    """What the page shows, and that it is a sample where it is one."""
    of = f"{_several(total, 'prompt')} from {_several(sources, 'source')}"
    return of if shown == total else f"{shown:,} of {of}: a sample, the rarer the likelier"


def inlined(entry: str) -> str:
    """An ES module of `page/` and all that it imports as one script: imports first, each once, no import or export.

    The modules share one scope then, so no two may declare the same name.
    """
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            text = (SOURCES / name).read_text(encoding="utf-8")
            for imported in IMPORT.findall(text):
                visit(imported)
            order.append(name)

    visit(entry)
    return "\n".join(_in_one_scope((SOURCES / name).read_text(encoding="utf-8")) for name in order)


def policy_hash(text: str) -> str:
    """A source expression of Content-Security-Policy that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _in_one_scope(module: str) -> str:
    return re.sub(r"^export ", "", IMPORT.sub("", module), flags=re.MULTILINE)


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"
