"""Pictures in reports: SVG by Matplotlib, the same bytes for the same figures."""

import io

import matplotlib as mpl
from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Okabe and Ito's, told apart by colour-blind readers."""


def svg(figure: Figure) -> str:
    """A figure as SVG text, its labels as text."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "katflow", "svg.fonttype": "none"}):
        figure.tight_layout()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
