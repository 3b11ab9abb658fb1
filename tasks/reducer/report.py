"""diagnosis.json, diagnosis.md and pictures; what two models differ in; how one learnt."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tasks.pictures import COLOURS, svg
from tasks.proportions import wilson_interval
from tasks.reducer.buckets import ALL, names

TASKS = {
    "step": "one step",
    "nf": "normal form or not",
    "whole": "whole reductions",
}
SAID = {
    "stopped_early": "says normal form while a redex is left",
    "missed_normal_form": "gives a next term of a normal form",
    "wrong_redex": "contracts another redex",
    "wrong_index": "the right shape with other indices",
    "lost_copy": "a copy of the argument is missing",
    "not_a_term": "no term, or a span that is no redex",
    "other": "none of these",
}
AROUND = 60
"""Characters of a term that are shown on each side of what is marked."""
Rows = Sequence[Mapping[str, Any]]


def page(made: Mapping[str, Any], worst: Iterable[Mapping[str, Any]], what: str) -> str:
    """diagnosis.md. made: diagnosis.json.  what: how much was judged, a line."""
    lines = ["# Diagnosis of a reducer", "", what, ""]
    for task, title in TASKS.items():
        rows = [row for row in made["rows"] if row["task"] == task]
        if rows:
            lines += [f"## {title.capitalize()}", "", *table(rows), ""]
    wrong, judged = sum(made["errors"].values()), made["rows"][0]["n"]
    lines += [
        "## Errors",
        "",
        f"{wrong} of {judged} steps are wrong.",
        "",
        "| kind | n | 95 % interval | |",
        "|---|---|---|---|",
    ]
    for kind, said in SAID.items():
        low, high = wilson_interval(made["errors"][kind] / judged, judged)
        lines.append(f"| {kind.replace('_', ' ')} | {made['errors'][kind]} | {low:.1%} to {high:.1%} | {said} |")
    lines += [
        "",
        f"Expected calibration error: {made['calibration']['ece']:.3f} (0: confidence is the share that is right).",
        "",
        "![correctness by size and redex depth](heatmap.svg)",
        "![calibration](calibration.svg)",
        "",
        "## The wrong answers of which it was most sure",
        "",
        "⟦…⟧ marks the redex that was to be contracted.",
        "",
    ]
    for case in worst:
        answer = "normal form" if case["next_term"] is None else _clipped(case["next_term"]) or "no term"
        lines += [
            f"- {str(case['error']).replace('_', ' ')}, confidence {case['confidence']:.2f}, size {case['size']}",
            f"  - term: `{marked(case['term'], case['span'])}`",
            f"  - right: `{_clipped(case['right']) if case['right'] else 'normal form'}`",
            f"  - answer: `{answer}`",
        ]
    return "\n".join(lines) + "\n"


def table(rows: Rows) -> list[str]:
    """Markdown of figures by group."""
    lines = ["| by | group | n | correct | 95 % interval |", "|---|---|---|---|---|"]
    return lines + [
        f"| {row['by'].replace('_', ' ')} | {row['bucket']} | {row['n']} | {row['correct']:.1%} | {row['low']:.1%} to "
        f"{row['high']:.1%} |"
        for row in rows
    ]


def marked(term: str, span: Sequence[int] | None) -> str:
    """A term with a span in ⟦⟧, what is far from it left out."""
    if span is None:
        return _clipped(term)
    start, end = span
    before, inside, after = term[:start], term[start:end], term[end:]
    if len(inside) > 2 * AROUND:
        inside = f"{inside[:AROUND]}…{inside[-AROUND:]}"
    before = before if len(before) <= AROUND else f"…{before[-AROUND:]}"
    after = after if len(after) <= AROUND else f"{after[:AROUND]}…"
    return f"{before}⟦{inside}⟧{after}"


def _clipped(term: str) -> str:
    return term if len(term) <= 3 * AROUND else f"{term[: 3 * AROUND]}…"


def comparison(rows: Rows, first: str, second: str) -> str:
    """comparison.md of rows of `compared`."""
    lines = [
        "# Two reducers on the same terms",
        "",
        f"a: {first}, b: {second}. Difference: b less a, with its 95 % interval of paired shares; **clear** of 0.",
        "",
    ]
    for task, title in TASKS.items():
        of = [row for row in rows if row["task"] == task]
        if of:
            lines += [
                f"## {title.capitalize()}",
                "",
                "| by | group | n | a | b | difference |",
                "|---|---|---|---|---|---|",
            ]
            lines += [_compared(row) for row in of]
            lines.append("")
    return "\n".join([*lines, "![differences](comparison.svg)", ""])


def _compared(row: Mapping[str, Any]) -> str:
    told = f"{row['difference']:+.1%} ({row['low']:+.1%} to {row['high']:+.1%})"
    told = f"**{told}**" if row["low"] > 0 or row["high"] < 0 else told
    by = row["by"].replace("_", " ")
    return f"| {by} | {row['bucket']} | {row['n']} | {row['a']:.1%} | {row['b']:.1%} | {told} |"


def heatmap(cells: Mapping[tuple[int, int], tuple[int, int]]) -> str:
    """Share right of one step by size and redex depth: numbers of groups to (rows, right ones)."""
    figure = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    sizes, depths = names("size"), names("redex_depth")
    shares = [
        [cells[size, at][1] / cells[size, at][0] if (size, at) in cells else float("nan") for size in range(len(sizes))]
        for at in range(len(depths))
    ]
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="cividis", origin="lower", aspect="auto")
    for (size, at), (n, right) in cells.items():
        share = right / n
        axes.text(
            size, at, f"{share:.1%}\nn = {n}", ha="center", va="center", color="black" if share > 0.5 else "white"
        )
    axes.set_xticks(range(len(sizes)), sizes)
    axes.set_yticks(range(len(depths)), depths)
    axes.set(xlabel="size (nodes)", ylabel="redex depth (edges)", title="one step: share right")
    figure.colorbar(image)
    return svg(figure)


def calibration_picture(bins: Rows) -> str:
    """Share right against mean confidence."""
    figure = Figure(figsize=(5, 4.5))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, label="calibrated")
    sure, right = [of["confidence"] for of in bins], [of["correct"] for of in bins]
    axes.plot(sure, right, "o-", color=COLOURS[0], label="answers")
    axes.vlines(sure, [of["low"] for of in bins], [of["high"] for of in bins], color=COLOURS[0], linewidth=1)
    for of in bins:
        axes.annotate(
            str(of["n"]), (of["confidence"], of["correct"]), fontsize=7, xytext=(3, -9), textcoords="offset points"
        )
    axes.set(
        xlabel="mean confidence", ylabel="share right", title="calibration, one step", xlim=(0, 1.02), ylim=(0, 1.02)
    )
    axes.legend()
    return svg(figure)


def learning_picture(history: Rows) -> str:
    """Correctness on validation rows while learning, by size and depth; the loss beside it."""
    figure = Figure(figsize=(11, 4))
    for axes, by in zip(figure.subplots(1, 2), ("size", "depth"), strict=True):
        for number, bucket in enumerate([ALL, *names(by)]):
            seen = [
                (look["step"], row["correct"])
                for look in history
                for row in look["rows"]
                if (row["by"], row["bucket"]) == (by if bucket != ALL else "overall", bucket)
            ]
            if seen:
                colour = "black" if bucket == ALL else COLOURS[(number - 1) % len(COLOURS)]
                axes.plot(*zip(*seen, strict=True), color=colour, label=bucket)
        axes.set(xlabel="training steps", ylabel="one step right, validation rows", title=f"by {by}", ylim=(0, 1.02))
        if history and history[0]["rows"]:
            axes.legend(fontsize=7)
    return svg(figure)


def comparison_picture(rows: Rows) -> str:
    """Differences of one step with their intervals."""
    shown = [row for row in rows if row["task"] == "step"]
    figure = Figure(figsize=(7, 1 + 0.22 * len(shown)))
    axes = figure.subplots()
    at = range(len(shown), 0, -1)
    middles = [row["difference"] for row in shown]
    sides = [
        [max(0.0, row["difference"] - row["low"]) for row in shown],
        [max(0.0, row["high"] - row["difference"]) for row in shown],
    ]
    axes.errorbar(middles, at, xerr=sides, fmt="o", color=COLOURS[0], capsize=2, markersize=3)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set_yticks(at, [f"{row['by'].replace('_', ' ')} {row['bucket']}" for row in shown], fontsize=7)
    axes.set(xlabel="share right of one step, b less a", title="difference, 95 % interval")
    return svg(figure)
