"""Three pictures of a run, by file name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tasks.pictures import COLOURS, svg
from tasks.tables import Floats
from tasks.transport.gaussian import Doubles

MOST_POINTS = 800

Curve = list[tuple[float, float]]
"""CPU seconds and a figure."""


def projections(before: Floats, after: Floats, target: Floats, axes: Doubles, name: str) -> str:
    """Tokens [n, D] before and after the map, each beside the target's, in the plane of axes [D, 2]."""
    figure = Figure(figsize=(10, 5))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for panel, tokens, title in zip(panels, (before, after), ("before", f"after ({name})"), strict=True):
        for of, label, colour in ((target, "Lean", COLOURS[0]), (tokens, f"NL, {title}", COLOURS[1])):
            at = of[:: max(1, len(of) // MOST_POINTS)].astype(np.float64) @ axes
            panel.scatter(at[:, 0], at[:, 1], s=5, alpha=0.5, linewidths=0, color=colour, label=label)
        panel.set(title=title, xlabel="first direction", ylabel="second direction")
        panel.legend(frameon=False, fontsize=8)
    return svg(figure)


def training(curves: Mapping[str, Curve], bures: float, known: bool) -> str:
    """How good each learnt map was after so many CPU seconds; the Bures map, where all begin, is a line."""
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        axes.plot(*np.array([(0.0, bures), *curve]).T, "o-", markersize=3, color=colour, label=name)
    axes.axhline(bures, color="#888888", linestyle="--", linewidth=1, label="bures")
    what = "UVP against the known map, %" if known else "energy distance to held-out targets"
    axes.set(xlabel="CPU seconds of training", ylabel=what, yscale="log" if known else "linear")
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def retrieval(figures: Mapping[str, Mapping[str, Any]], shown: Sequence[str]) -> str:
    """Share of partners among the k nearest, for every k, beside chance."""
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    for at, name in enumerate(shown):
        ranks = np.sort(np.array(figures[name]["ranks"]))
        share = np.arange(1, len(ranks) + 1) / len(ranks)
        style = "-" if at < len(COLOURS) else "--"
        axes.step(ranks, share, style, where="post", color=COLOURS[at % len(COLOURS)], label=name)
    count = len(figures[shown[0]]["ranks"])
    nearest = np.arange(1, count + 1)
    axes.plot(nearest, nearest / count, ":", color="#888888", label="chance")
    axes.set(
        xlabel=f"nearest of {count} sequences", ylabel="share of partners among them", xscale="log", ylim=(0, 1.02)
    )
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)
