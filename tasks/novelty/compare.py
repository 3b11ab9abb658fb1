"""Several batches of experiments side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from tasks.pictures import COLOURS, svg


def comparison_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table, the best mean first. rows: of `comparison_rows`."""
    ordered = sorted(rows, key=lambda row: -row["mean"])
    names = [*dict.fromkeys(name for row in rows for name in row if name != "mean"), "mean"]
    lines = ["# Batches side by side", "", "Mean AUROC over seeds, by novel set.", ""]
    lines += ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in ordered]
    return "\n".join(lines) + "\n"


def forest(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mean AUROC over novel sets of every batch, experiment and detector."""
    labels = list(dict.fromkeys(f"{row['batch']}: {row['experiment']}" for row in rows))
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    figure = Figure(figsize=(9, 1.5 + 0.35 * len(labels)))
    axes = figure.subplots()
    for at, detector in enumerate(detectors):
        mine = [row for row in rows if row["detector"] == detector]
        places = [labels.index(f"{row['batch']}: {row['experiment']}") for row in mine]
        colour, marker = COLOURS[at % len(COLOURS)], "os"[at // len(COLOURS) % 2]
        axes.plot([row["mean"] for row in mine], places, marker, color=colour, markersize=5, label=detector)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("AUROC, mean over novel sets and seeds")
    axes.legend(frameon=False, fontsize=8, bbox_to_anchor=(1, 1))
    return svg(figure)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
