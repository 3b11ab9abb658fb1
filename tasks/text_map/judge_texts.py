"""Held-out texts written from their embeddings, by round, beside the nearest text that was learnt from."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tasks.pictures import COLOURS, svg
from tasks.tables import Floats
from tasks.text_map.params import GenerationParams
from tasks.text_map.place import nearest_documents
from tasks.text_map.search import Embed, Proposer, search
from tasks.text_map.wording import distances, wordings

EXAMPLES = 12


@dataclass(frozen=True)
class JudgedTexts:
    """What stands in metrics.json."""

    metrics: dict[str, dict[str, float]]
    rounds: list[dict[str, float]]
    examples: list[dict[str, Any]]
    held_out: int
    method: str


def judge(
    true: Sequence[str],
    emb: Floats,
    known: Sequence[str],
    of_known: Floats,
    proposer: Proposer,
    embed: Embed,
    method: str,
    how: GenerationParams,
    show: Callable[[float], None] = lambda share: None,
) -> JudgedTexts:
    """true, emb: m held-out texts and [m, D].  known, of_known: n texts that were learnt from and [n, D]."""
    cosine, rows = nearest_documents(emb, of_known, 1)
    nearest = [known[row] for row in rows[:, 0]]
    rounds, last = [], []
    iterations = np.zeros(len(true), dtype=np.int64)
    written = np.zeros(0, dtype=np.float32)
    for made in search(emb, proposer, embed, how):
        rounds.append({"round": made.number, "cosine": float(made.cosines.mean()), **wordings(made.texts, true)})
        if made.number:
            iterations[1 - written > how.embedding_tolerance] = made.number
        written, last = made.cosines, made.texts
        show((made.number + 1) / (how.max_correction_iterations + 1))
    figures = {
        method: {
            **distances(written, iterations, how.embedding_tolerance),
            "cosine": float(written.mean()),
            **wordings(last, true),
        },
        "nearest_text": {
            **distances(cosine[:, 0], np.zeros_like(iterations), how.embedding_tolerance),
            "cosine": float(cosine.mean()),
            **wordings(nearest, true),
        },
    }
    examples = [
        {
            "true": true[row],
            "written": last[row],
            "cosine": float(written[row]),
            "nearest": nearest[row],
        }
        for row in range(min(EXAMPLES, len(true)))
    ]
    return JudgedTexts(by_metric(figures), rounds, examples, len(true), method)


def judge_of_places(
    true: Sequence[str],
    emb: Floats,
    decoded: Floats,
    beside: Sequence[str],
    proposer: Proposer,
    embed: Embed,
    how: GenerationParams,
) -> tuple[dict[str, dict[str, float]], list[dict[str, str]]]:
    """Texts written of held-out documents' places alone, what a click asks for: metrics by name and method, examples.

    true, emb: m texts and [m, D], which place alone does not tell.  decoded: [m, D], what the decoder gives of the
    places.  beside: the texts of the documents nearest on the map.
    """
    *_, last = search(decoded, proposer, embed, how)
    written = {"of_place": last.texts, "nearest_on_map": list(beside)}
    metrics = {
        name: {"cosine": float(np.einsum("nd,nd->n", embed(texts), emb).mean()), **wordings(texts, true)}
        for name, texts in written.items()
    }
    some = zip(true, last.texts, beside, strict=True)
    examples = [{"true": one, "of_place": made, "nearest_on_map": near} for one, made, near in some]
    return by_metric(metrics), examples[:EXAMPLES]


def by_metric(figures: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Of each method its figures; of each metric the methods' values."""
    metrics: dict[str, dict[str, float]] = {}
    for name, of in figures.items():
        for what, value in of.items():
            metrics.setdefault(what, {})[name] = value
    return metrics


def pictures(folder: Path, judged: JudgedTexts) -> None:
    """metrics.json and rounds.svg into a folder."""
    (folder / "metrics.json").write_text(json.dumps({"vec2text": judged.metrics}, indent=1))
    details = {"rounds": judged.rounds, "examples": judged.examples, "texts": judged.held_out}
    (folder / "details.json").write_text(json.dumps(details, indent=1, ensure_ascii=False))
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    numbers = [one["round"] for one in judged.rounds]
    for what, colour in zip(("cosine", "token_f1"), COLOURS, strict=False):
        axes.plot(numbers, [one[what] for one in judged.rounds], "o-", color=colour, label=f"{judged.method}: {what}")
        axes.axhline(judged.metrics[what]["nearest_text"], color=colour, linestyle="--", label=f"nearest text: {what}")
    axes.set(xlabel="round", xticks=numbers, ylabel="mean over held-out texts")
    axes.legend(frameon=False, fontsize=8)
    (folder / "rounds.svg").write_text(svg(figure))
