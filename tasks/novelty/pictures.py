"""Six pictures of a batch of experiments, by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from tasks.pictures import COLOURS, svg

Doubles = NDArray[np.float64]
GRID = np.linspace(0, 1, 101)
BAND_RESAMPLES = 200
MOST_POINTS = 1500


def pictures(
    experiment: str,
    losses: Mapping[str, Sequence[Doubles]],
    rows: pl.DataFrame,
    results: Mapping[str, Any],
    detector: str,
    beside: str,
) -> dict[str, str]:
    """File name → SVG.

    experiment: the one whose scores are shown.  losses: by experiment, for each network the loss of each epoch.
    rows: its tested rows, novel (null where known), characters, knn_5, score (the detector's), beside (that
    of the one named so, drawn against knn_5), all scores as ranks.  results: of `summary`.
    """
    return {
        "precomp_losses.svg": _losses(losses),
        "precomp_scores.svg": _cumulative(rows, experiment, detector),
        "precomp_roc_pr.svg": _curves(rows, experiment, detector),
        "precomp_length.svg": _scatter(rows, "characters", detector, logarithmic=True),
        "precomp_knn.svg": _scatter(rows, "knn_5", beside, "beside"),
        "precomp_experiments.svg": _forest(results),
    }


def _losses(losses: Mapping[str, Sequence[Doubles]]) -> str:
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    for at, (name, networks) in enumerate(losses.items()):
        style = ("-", "--", ":")[at // len(COLOURS) % 3]
        for number, loss in enumerate(networks):
            label = name if number == 0 else None
            colour = COLOURS[at % len(COLOURS)]
            axes.plot(range(1, len(loss) + 1), loss, style, color=colour, linewidth=0.8, label=label)
    axes.set(xlabel="epoch", ylabel="mean squared error of the predictor", yscale="log")
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def _cumulative(rows: pl.DataFrame, experiment: str, detector: str) -> str:
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    for name, colour, scores in _sets(rows, "score"):
        axes.step(np.sort(scores), np.arange(1, len(scores) + 1) / len(scores), color=colour, where="post", label=name)
    axes.set(xlabel=f"{detector}, {experiment}: rank among all rows", ylabel="share of rows at or below")
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def _curves(rows: pl.DataFrame, experiment: str, detector: str) -> str:
    figure = Figure(figsize=(11, 5))
    roc, pr = figure.subplots(1, 2)
    (_, _, known), *novel = _sets(rows, "score")
    rng = np.random.default_rng(0)
    for name, colour, scores in novel:
        draws = [(known, scores)] + [
            (rng.choice(known, len(known)), rng.choice(scores, len(scores))) for _ in range(BAND_RESAMPLES)
        ]
        for axes, curve in ((roc, _roc), (pr, _pr)):
            of = np.array([curve(*draw) for draw in draws])
            axes.plot(GRID, of[0], color=colour, label=name)
            low, high = np.quantile(of[1:], [0.025, 0.975], axis=0)
            axes.fill_between(GRID, low, high, color=colour, alpha=0.2, linewidth=0)
    roc.set(xlabel="share of known rows called novel", ylabel="share of novel rows found", title=experiment)
    pr.set(xlabel="share of novel rows found", ylabel="share of what is called novel that is", title=detector)
    for axes in (roc, pr):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    roc.legend(frameon=False, fontsize=8, loc="lower right")
    return svg(figure)


def _roc(known: Doubles, novel: Doubles) -> Doubles:
    false, true, _ = roc_curve(np.r_[np.zeros(len(known)), np.ones(len(novel))], np.r_[known, novel])
    return np.interp(GRID, false, true)


def _pr(known: Doubles, novel: Doubles) -> Doubles:
    precision, recall, _ = precision_recall_curve(np.r_[np.zeros(len(known)), np.ones(len(novel))], np.r_[known, novel])
    found, first = np.unique(recall[::-1], return_index=True)
    best = np.maximum.reduceat(precision[::-1], first)
    return np.interp(GRID, found, best)


def _scatter(
    rows: pl.DataFrame, against: str, detector: str, score: str = "score", *, logarithmic: bool = False
) -> str:
    figure = Figure(figsize=(8, 5))
    axes: Axes = figure.subplots()
    shown = rows.sample(min(len(rows), MOST_POINTS), seed=0)
    for name, colour, (x, y) in _sets(shown, against, score):
        axes.plot(x, y, ".", color=colour, markersize=4, alpha=0.6, label=name)
    axes.set(xlabel="characters" if against == "characters" else f"{against}, rank", ylabel=f"{detector}, rank")
    if logarithmic:
        axes.set_xscale("log")
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def _forest(results: Mapping[str, Any]) -> str:
    sets = list(next(iter(results.values()))["novel_sets"])
    figure = Figure(figsize=(3 + 3 * len(sets), 1.5 + 0.35 * len(results)))
    each: Any = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    for axes, novel_set in zip(each, sets, strict=True):
        for row, of in enumerate(results.values()):
            for at, detector in enumerate(("rnd", "rnd_ensemble", "gp_rnd", "knn_5")):
                found = of["novel_sets"][novel_set][detector]["auroc"]
                bars = [[found["mean"] - found["low"]], [found["high"] - found["mean"]]]
                label = detector if row == 0 else None
                y = row + 0.18 * (at - 1.5)
                axes.errorbar(
                    found["mean"], y, xerr=np.abs(bars), fmt="o", markersize=3, color=COLOURS[at], label=label
                )
        axes.set_title(novel_set, fontsize=9)
        axes.set_xlabel("AUROC")
        axes.xaxis.set_major_locator(MaxNLocator(4))
    each[0].set_yticks(range(len(results)), list(results))
    each[0].invert_yaxis()
    each[0].legend(frameon=False, fontsize=7)
    return svg(figure)


def _sets(rows: pl.DataFrame, *columns: str) -> list[tuple[str, str, Any]]:
    """Known rows, then each novel set: name, colour, its columns."""
    parts = [("known", rows.filter(pl.col("novel").is_null()))]
    new = rows.filter(pl.col("novel").is_not_null()).sort("novel").partition_by("novel")
    parts += [(part["novel"][0], part) for part in new]
    found = [(name, [part[column].to_numpy() for column in columns]) for name, part in parts]
    return [
        (name, COLOURS[at % len(COLOURS)], of[0] if len(columns) == 1 else of) for at, (name, of) in enumerate(found)
    ]
