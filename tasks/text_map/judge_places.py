"""Held-out documents placed by every method, and given back from their places."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tasks.pictures import COLOURS, svg
from tasks.tables import Floats
from tasks.text_map.documents import Documents
from tasks.text_map.kept import MapModel, unit_vectors
from tasks.text_map.peers import umap_on
from tasks.text_map.place import embeddings_at, place_by_network, place_hybrid
from tasks.text_map.quality import (
    coordinate_errors,
    cosines,
    embedding_errors,
    kernel_oracle,
    neighbour_recall,
    trustworthiness,
)
from tasks.text_map.splits import split

FEWEST_FOR_UMAP = 50
"""Documents, with fewer of which UMAP has no graph to speak of and is left out."""
INVERTED = 100
"""Held-out places that UMAP's inverse is asked for: it takes a tenth of a second each."""
POINTS = 3000


@dataclass(frozen=True)
class JudgedPlaces:
    """What stands in metrics.json, and what pictures show."""

    metrics: dict[str, dict[str, float]]
    held_out: int
    places: Floats
    """[n, 2], standardised, of the documents that were learnt from."""
    true: Floats
    placed: Floats
    """[m, 2], of the held-out: given, and by hybrid."""
    confidence: Floats
    cosine: Floats
    """[m], of the decoder at the held-out places: what it claims, and what is so."""


def judge(
    made: Documents, ours: MapModel, reference: MapModel, seed: int, show: Callable[[float], None] = lambda share: None
) -> JudgedPlaces:
    """Metrics by name and method, on the documents that `split` holds out; coordinates standardised.

    show: called with about the share of the time that is over.
    """
    rows, held = split(len(made.emb), seed)
    every, at = unit_vectors(made), ours.scaler.standardised(made.places)
    emb, places, new, true = every[rows], at[rows], every[held], at[held]
    placed: dict[str, Floats] = {
        "hybrid": place_hybrid(new, emb, places),
        "mlp": place_by_network(ours.encoder, new),
        "reference": place_by_network(reference.encoder, new),
    }
    unit, confidence = embeddings_at(ours.decoder, true)
    oracle, _ = kernel_oracle(true, new, places, emb)
    means: dict[str, Floats] = {
        "decoder": unit * confidence[:, None],
        "reference": _mean(reference, true),
        "kernel_oracle": oracle,
        "global_mean": np.repeat(emb.mean(axis=0, keepdims=True), len(new), axis=0),
    }
    inverted: dict[str, tuple[Floats, Floats]] = {}
    if len(rows) >= FEWEST_FOR_UMAP:
        show(0.1)
        peer = umap_on(emb, places, seed)
        show(0.5)
        placed["umap_transform"] = peer.transform(new)
        inverted["umap_inverse"] = peer.inverse_transform(true[:INVERTED]), new[:INVERTED]
        inverted["decoder_there"] = means["decoder"][:INVERTED], new[:INVERTED]
    show(0.8)
    metrics: dict[str, dict[str, float]] = {}

    def note(method: str, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            metrics.setdefault(name, {})[method] = value

    for method, where in placed.items():
        note(method, coordinate_errors(where, true))
        note(method, {"trustworthiness": trustworthiness(new, where, emb, places)})
        note(method, {"knn_recall": neighbour_recall(new, where, emb, places)})
    note("given", {"trustworthiness": trustworthiness(new, true, emb, places)})
    note("given", {"knn_recall": neighbour_recall(new, true, emb, places)})
    for method, (mean, theirs) in {**{name: (mean, new) for name, mean in means.items()}, **inverted}.items():
        note(method, embedding_errors(mean, theirs))
    return JudgedPlaces(metrics, len(held), places, true, placed["hybrid"], confidence, cosines(unit, new))


def _mean(model: MapModel, places: Floats) -> Floats:
    unit, length = embeddings_at(model.decoder, places)
    mean: Floats = unit * length[:, None]
    return mean


def pictures(folder: Path, judged: JudgedPlaces) -> None:
    """metrics.json, map.svg and confidence.svg into a folder."""
    (folder / "metrics.json").write_text(json.dumps({"parametric_umap": judged.metrics}, indent=1))
    details = {"held_out": judged.held_out, "inverted": INVERTED}
    (folder / "details.json").write_text(json.dumps(details, indent=1))
    (folder / "map.svg").write_text(_drawn(_map, judged))
    (folder / "confidence.svg").write_text(_drawn(_confidence, judged))


def _drawn(draw: Callable[[Any, JudgedPlaces], None], judged: JudgedPlaces) -> str:
    figure = Figure(figsize=(8, 6))
    draw(figure.subplots(), judged)
    return svg(figure)


def _map(axes: Any, judged: JudgedPlaces) -> None:
    shown = judged.places[:: max(1, len(judged.places) // POINTS)]
    axes.scatter(*shown.T, s=4, color="#bbbbbb", linewidths=0, label="learnt from")
    few = slice(0, 60)
    for there, here in zip(judged.true[few], judged.placed[few], strict=True):
        axes.plot(*np.stack([there, here]).T, color=COLOURS[1], linewidth=0.6)
    axes.scatter(*judged.true[few].T, s=12, color=COLOURS[0], linewidths=0, label="held out, as given")
    axes.scatter(*judged.placed[few].T, s=12, color=COLOURS[1], linewidths=0, label="placed (hybrid)")
    axes.set(title="Held-out documents on the map", xlabel="standardised x", ylabel="standardised y")
    axes.legend(frameon=False, fontsize=8)


def _confidence(axes: Any, judged: JudgedPlaces) -> None:
    axes.scatter(judged.confidence, judged.cosine, s=8, alpha=0.5, linewidths=0, color=COLOURS[0])
    axes.set(
        title="What the decoder claims, and what is so",
        xlabel="confidence (length of the mean vector)",
        ylabel="cosine to the document's embedding",
    )
