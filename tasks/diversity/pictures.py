"""The comparison as pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tasks.diversity.compare import DELTA, between_arms
from tasks.pictures import COLOURS, svg

CURVES = {
    "reward": "reward",
    "KL from SFT": "kl",
    "tokens a completion": "completions/mean_length",
    "groups without variance": "zero_variance_groups",
}


def forest(comparison: Mapping[str, Any]) -> str:
    """Differences between trained arms, each in the SFT model's standard deviations, with 95 % intervals.

    The grey band is ±δ: within it differences are called none.
    """
    between = between_arms(list(comparison["arms"]))
    if not between:
        return svg(Figure(figsize=(1, 1)))
    every = comparison["contrasts"][next(iter(between))]
    metrics = [name for name, of in every.items() if of["equivalence"]["delta"]]
    left_out = [name for name in every if name not in metrics]
    figure = Figure(figsize=(9, 1.5 + 0.3 * len(metrics) * len(between) / 2 + 0.3 * len(metrics)))
    axes = figure.subplots()
    axes.axvspan(-DELTA, DELTA, color="#eeeeee", zorder=0)
    axes.axvline(0, color="#888888", linewidth=1)
    for row, metric in enumerate(metrics):
        for at, (name, told) in enumerate(between.items()):
            of = comparison["contrasts"][name][metric]
            if of["difference"] is None:
                continue
            deviation = of["equivalence"]["delta"] / DELTA
            middle, low, high = (of[key] / deviation for key in ("difference", "low", "high"))
            y = row + 0.7 * (at + 0.5) / len(between) - 0.35
            label = told if row == 0 else None
            bars = [[max(0.0, middle - low)], [max(0.0, high - middle)]]
            axes.errorbar(middle, y, xerr=bars, fmt="o", color=COLOURS[at % len(COLOURS)], markersize=4, label=label)
    axes.set_yticks(
        range(len(metrics)), [f"{name} *" if name == comparison["primary"]["metric"] else name for name in metrics]
    )
    axes.invert_yaxis()
    notes = [f"* primary for {between.get(comparison['primary']['contrast'], 'none')}, grey: ±δ"]
    if left_out:
        notes.append(f"not drawn, for SFT's answers do not vary in it: {', '.join(left_out)}")
    axes.set_xlabel("\n".join(["difference in standard deviations of the SFT model over prompts", *notes]))
    if metrics:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return svg(figure)


def training_curves(logs: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> str:
    """Reward, KL, length and groups without variance by step, a line for each seed."""
    figure = Figure(figsize=(10, 6))
    for axes, (title, key) in zip(figure.subplots(2, 2).flat, CURVES.items(), strict=True):
        for at, (arm, seeds) in enumerate(logs.items()):
            for seed, log in enumerate(seeds):
                points = [(entry["step"], entry[key]) for entry in log if entry.get(key) is not None]
                if points:
                    label = arm if seed == 0 else None
                    axes.plot(*zip(*points, strict=True), color=COLOURS[at % len(COLOURS)], linewidth=1, label=label)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step")
    if logs:
        figure.axes[0].legend(frameon=False)
    return svg(figure)
