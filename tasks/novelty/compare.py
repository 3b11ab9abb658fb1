"""Several batches of experiments side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tasks.pictures import COLOURS, svg

ABOUT = ("batch", "experiment", "encoder", "detector")


def comparison_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table, the best mean first where one compares all batches. rows: of `comparison_rows`."""
    sets = _novel_sets(rows)
    shared = [name for name in sets if all(name in row for row in rows)]
    told = f"of what all batches have: {', '.join(shared)}" if shared else "none, for no novel set is in all batches"
    names = [*ABOUT, *sets, "mean"]
    lines = ["# Batches side by side", "", f"Mean AUROC over seeds, by novel set; mean: {told}.", ""]
    lines += ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    ordered = sorted(rows, key=lambda row: -row["mean"]) if shared else rows
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in ordered]
    return "\n".join(lines) + "\n"


def forest(rows: Sequence[Mapping[str, Any]]) -> str:
    """AUROC, mean over seeds, of every batch, experiment and detector: a panel for each novel set."""
    labels = list(dict.fromkeys(_label(row) for row in rows))
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    sets = _novel_sets(rows)
    figure = Figure(figsize=(4 + 3 * len(sets), 1.5 + 0.35 * len(labels)))
    panels: Any = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    for axes, novel_set in zip(panels, sets, strict=True):
        for at, detector in enumerate(detectors):
            mine = [row for row in rows if row["detector"] == detector and novel_set in row]
            places = [labels.index(_label(row)) for row in mine]
            colour, marker = COLOURS[at % len(COLOURS)], "os"[at // len(COLOURS) % 2]
            axes.plot([row[novel_set] for row in mine], places, marker, color=colour, markersize=5, label=detector)
        axes.set_title(novel_set, fontsize=9)
        axes.set_xlabel("AUROC")
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    panels[-1].legend(frameon=False, fontsize=8, bbox_to_anchor=(1, 1))
    return svg(figure)


def _novel_sets(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row if name not in {*ABOUT, "mean"}))


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['batch']}: {row['experiment']}"


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
