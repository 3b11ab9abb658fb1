"""The map as one stand-alone HTML file: Plotly inside, nothing requested.

Prompts are data. Plotly reads a small subset of HTML in hover texts and legends, so texts are escaped for it,
and characters that would hide or reorder text are made visible. The page's own policy forbids every request.
"""

import html
import textwrap
import unicodedata
from string import Template
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from plotly.offline import get_plotlyjs

from tasks.prompt_map.points import shortened

PIXELS_A_SIZE = 4.0
POINTS_AT_FULL_SIZE = 400
THINNEST = 0.25
LONGEST_SIDE = 1.6
HOVER_WIDTH = 60
CAMERA = {"eye": {"x": 1.4, "y": 1.4, "z": 0.9}, "center": {"x": 0, "y": 0, "z": -0.1}}
PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data: blob:">
<title>$title</title>
<style>
html, body { margin: 0; height: 100%; background: #fff; color: #222; font: 15px/1.4 system-ui, sans-serif; }
body { display: flex; flex-direction: column; }
header { padding: 12px 16px 0; }
h1 { margin: 0; font-size: 20px; font-weight: 600; }
p { margin: 2px 0 0; color: #555; }
main { flex: 1; min-height: 320px; }
</style>
<script>$plotly</script>
</head>
<body>
<header><h1>$title</h1><p>$counts. The rarer a prompt, the bigger its point. Drag to turn, scroll to zoom.</p></header>
<main>$figure</main>
</body>
</html>
""")


def map_page(points: pl.DataFrame, title: str = "Prompt map") -> str:
    """The page's HTML.

    points: source, prompt, x, y, z, size, color, as `map_points` gives them.
    """
    pixels = PIXELS_A_SIZE * min(1.0, (POINTS_AT_FULL_SIZE / len(points)) ** (1 / 3))
    traces = [
        _trace(str(source), rows, pixels)
        for (source,), rows in sorted(
            points.group_by("source", maintain_order=True), key=lambda group: (-len(group[1]), str(group[0][0]))
        )
    ]
    figure = go.Figure(
        traces,
        layout={
            "scene": _scene(points),
            "legend": {"itemsizing": "constant", "title": {"text": "source"}, "x": 0, "y": 1, "bgcolor": "#fff"},
            "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
            "hoverlabel": {"align": "left", "bgcolor": "#fff", "font": {"color": "#222", "family": "monospace"}},
            "showlegend": True,
            "uirevision": "map",
        },
    )
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id="map", config={"displaylogo": False, "responsive": True}
    )
    sources = f"{len(traces)} source{'s' if len(traces) != 1 else ''}"
    counts = f"{len(points):,} prompt{'s' if len(points) != 1 else ''} from {sources}"
    return PAGE.substitute(title=html.escape(title), plotly=get_plotlyjs(), counts=counts, figure=drawn)


def hover_text(prompt: str) -> str:
    """A prompt as Plotly shows it letter by letter: cut to 200 characters, wrapped, escaped."""
    lines = [
        wrapped
        for line in shortened(prompt).splitlines() or [""]
        for wrapped in textwrap.wrap(visible(line), HOVER_WIDTH, replace_whitespace=False, drop_whitespace=False)
        or [""]
    ]
    return "<br>".join(escaped(line) for line in lines)


def escaped(text: str) -> str:
    """Text for Plotly, which decodes &lt; &gt; &amp; but not quotes, and puts it into text nodes only."""
    return html.escape(text, quote=False)


def visible(text: str) -> str:
    """Control and formatting characters (such as right-to-left marks) as signs that can be seen.

    Those below 32 become Unicode's control pictures, others their number in brackets.
    """
    return "".join(_sign(char) if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} else char for char in text)


def _sign(char: str) -> str:
    return chr(0x2400 + ord(char)) if ord(char) < 32 else f"⟨U+{ord(char):04X}⟩"


def _scene(points: pl.DataFrame) -> dict[str, Any]:
    """A box that hugs the points, one scale for all axes; the more it fills, the bigger it is drawn."""
    places = points.select("x", "y", "z").to_numpy()
    low, high = places.min(axis=0), places.max(axis=0)
    middle, half = (low + high) / 2, 1.05 * np.maximum((high - low) / 2, THINNEST)
    side = half / np.cbrt(half.prod())
    side *= min(1.0, LONGEST_SIDE / side.max())
    look = {"showticklabels": False, "title": "", "showspikes": False, "gridcolor": "#e8e8e8", "zeroline": False}
    axes = {
        f"{name}axis": {**look, "backgroundcolor": "#fff", "range": [float(m - h), float(m + h)]}
        for name, m, h in zip("xyz", middle, half, strict=True)
    }
    ratio = dict(zip("xyz", map(float, side), strict=True))
    return {**axes, "aspectmode": "manual", "aspectratio": ratio, "camera": CAMERA}


def _trace(source: str, rows: pl.DataFrame, pixels: float) -> go.Scatter3d:
    """Opaque markers without outline: half-transparent ones of varying size draw halos over what is behind."""
    return go.Scatter3d(
        x=rows["x"].round(5).to_list(),
        y=rows["y"].round(5).to_list(),
        z=rows["z"].round(5).to_list(),
        mode="markers",
        name=f"{escaped(visible(source))} ({len(rows):,})",
        hovertext=[hover_text(prompt) for prompt in rows["prompt"]],
        hoverinfo="text",
        marker={
            "size": (rows["size"] * pixels).round(2).to_list(),
            "sizemode": "diameter",
            "color": rows["color"][0],
            "opacity": 1.0,
            "line": {"width": 0, "color": rows["color"][0]},
        },
    )
