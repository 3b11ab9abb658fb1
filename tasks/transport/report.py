"""report.json and report.md of maps that were judged."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.proportions import sign_test
from tasks.transport.choose import FEWEST
from tasks.transport.measures import RANKS

HEAD = (
    ("uvp", "UVP %"),
    ("cosine", "cosine"),
    ("pairing_uvp", "pairing UVP %"),
    ("paired_error", "paired error %"),
    ("recall", "recall@1 / 5 / 10"),
    ("energy_distance", "energy distance"),
    ("sliced_w2", "sliced W2"),
    ("cost", "cost"),
    ("seconds", "CPU s"),
)


def report(
    default: str,
    figures: Mapping[str, Mapping[str, Any]],
    chance: Mapping[str, Any],
    gains: Mapping[str, float],
    counts: Mapping[str, Mapping[str, int]],
    hidden_dim: int,
) -> dict[str, Any]:
    """All figures as JSON. gains: by learnt method, see `better_fit`; empty where too few were held out to tell.

    counts: of each part, sequences, tokens, and sequences left out; of the test part, tokens that are `compared` too.
    """
    return {
        "default": default,
        "hidden_dim": hidden_dim,
        "counts": counts,
        "chance": chance,
        "energy_distance_gained_over_bures_at_least": gains,
        "recall_changed_p": changed(figures["identity"]["ranks"], figures[default]["ranks"]),
        "methods": {name: {what: of for what, of in one.items() if what != "ranks"} for name, one in figures.items()},
    }


def page(made: Mapping[str, Any]) -> str:
    """report.md."""
    methods = made["methods"]
    shown = [(key, head) for key, head in HEAD if any(one.get(key) is not None for one in methods.values())]
    counts = made["counts"]
    lines = [
        "# Transport between token vectors",
        "",
        f"The map that is kept: **{made['default']}**. {_why(made)}",
        "",
        f"Learnt from {counts['train']['sequences']} sequences ({counts['train']['tokens']} tokens × "
        f"{made['hidden_dim']}), chosen by {counts['validation']['sequences']}, judged on "
        f"{counts['test']['sequences']} others ({counts['test']['tokens']} tokens; energy distance, sliced W2 and the "
        f"curves on {counts['test']['compared']} of them).{_left_out(counts)}",
        "",
        _row(["", *(head for _, head in shown)]),
        _row(["---"] * (len(shown) + 1)),
        *(_row([name, *(_cell(one.get(key)) for key, _ in shown)]) for name, one in methods.items()),
        "",
        *_recalls(made),
        "",
        "- UVP: 100 E|T(x) − T*(x)|² / Var(y) against the known optimal map; cosine: of displacements. Nothing was "
        "selected by them."
        if any(key == "uvp" for key, _ in shown)
        else "- The optimal map is not known here: what counts is how near moved tokens are to held-out ones of the "
        "target (energy distance, sliced W2; 0 is the same distribution).",
        "- Paired error: 100 E|T(x) − y|² / Var(y) against each token's partner. The optimal map is not made to meet "
        "partners: ridge is, and alone sees pairs.",
        "- Recall: how often the partner is among the k nearest by the mean of a sequence's tokens.",
        "- Cost: E|T(x) − x|². CPU s: of training.",
        "",
        "![tokens before, after and target](projections.svg)",
        "![training](training.svg)",
        "![retrieval](retrieval.svg)",
        "",
    ]
    return "\n".join(lines)


def table(made: Mapping[str, Any]) -> list[dict[str, str]]:
    """For the UI."""
    return [
        {"method": name, **{head: _cell(one.get(key)) for key, head in HEAD}} for name, one in made["methods"].items()
    ]


def _why(made: Mapping[str, Any]) -> str:
    gains = made["energy_distance_gained_over_bures_at_least"]
    if not gains:
        return (
            f"{made['counts']['validation']['sequences']} sequences to choose by are too few to tell a gain from "
            f"chance ({FEWEST} are needed), so it is the Bures map."
        )
    said = ", ".join(f"{name} {value:+.3g}" for name, value in gains.items())
    return (
        "A learnt map is kept where it is nearer to held-out tokens of the target than the Bures map for certain: the "
        f"gain in energy distance, lower end of its 95 % interval, is {said}."
    )


def changed(before: Sequence[int], after: Sequence[int]) -> dict[str, float]:
    """Two-sided p that partners are found as often after as before (McNemar): the same sequences, so that intervals
    may overlap and yet one is better."""
    return {str(k): sign_test(*(np.less_equal(ranks, k).astype(float) for ranks in (after, before))) for k in RANKS}


def _left_out(counts: Mapping[str, Mapping[str, int]]) -> str:
    found = [f"{of['left_out']} of {part}" for part, of in counts.items() if of["left_out"]]
    return f" Left out by lot, beyond max_tokens: {', '.join(found)}." if found else ""


def _recalls(made: Mapping[str, Any]) -> list[str]:
    """Before and after the map that is kept, beside chance."""
    head = ["recall", "before (identity)", f"after ({made['default']})", "p of no change", "chance, 95 % interval"]
    rows = [_row(head), _row(["---"] * len(head))]
    for k, of in made["chance"].items():
        cells = []
        for name in ("identity", made["default"]):
            one = made["methods"][name]
            cells.append(f"{one['recall'][k]:.3f} {_interval(one['recall_interval'][k])}")
        same = f"{made['recall_changed_p'][k]:.2g}"
        rows.append(_row([f"@{k}", *cells, same, f"{of['recall']:.3f} {_interval(of['interval'])}"]))
    return rows


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return " / ".join(f"{share:.3f}" for share in value.values())
    return f"{value:.4g}"


def _interval(ends: Sequence[float]) -> str:
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
