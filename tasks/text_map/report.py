"""metrics.json and report.md of a run."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PARTS = ("parametric_umap", "vec2text")
SAID = {
    "trustworthiness": "neighbours on the map that are neighbours in fact, 15 nearest learnt documents; 1 at best",
    "knn_recall": "of the 15 nearest learnt documents, found on the map",
    "coordinate_mse": "squared error of standardised coordinates",
    "coordinate_mae": "absolute error of standardised coordinates",
    "embedding_mse": "squared error of a unit vector's numbers, given back from its place",
    "embedding_mae": "absolute error of the same",
    "avg_cosine_similarity": "cosine of what is given back",
    "average_embedding_distance": "1 - cosine of a written text's embedding to the target",
    "average_iterations": "rounds of correction",
    "convergence_rate": "texts within the tolerance",
    "cosine": "of a written text's embedding to the target",
    "token_f1": "words shared with the true text",
    "bleu": "0 to 100",
    "exact_match": "texts that are the true one",
}


def gather(folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """What was judged, in one: metrics.json, details.json, report.md and the pictures into `out`."""
    metrics: dict[str, Any] = {}
    details: dict[str, Any] = {}
    for folder in folders:
        for part, judged in json.loads((folder / "metrics.json").read_text()).items():
            for name, of in judged.items():
                metrics.setdefault(part, {}).setdefault(name, {}).update(of)
        details |= json.loads((folder / "details.json").read_text())
        for picture in sorted(folder.glob("*.svg")):
            shutil.copyfile(picture, out / picture.name)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1))
    (out / "details.json").write_text(json.dumps(details, indent=1, ensure_ascii=False))
    (out / "report.md").write_text(page(metrics, details))
    return metrics


def page(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """report.md."""
    lines = ["# Map of documents, and texts for its points", ""]
    if "parametric_umap" in metrics:
        lines += [
            f"Judged on {details['held_out']} documents that nothing was learnt from. `hybrid` places (the geometric "
            "median of the 15 nearest documents' places), `mlp` is the exportable network, `reference` the plain "
            "recipe, `umap_transform` and `umap_inverse` are umap-learn's own on the same map; `given` is where the "
            "documents stand. `kernel_oracle` is the ceiling of two coordinates, `global_mean` the floor.",
            "",
            *_table(metrics["parametric_umap"]),
            "",
            "![held-out documents on the map](map.svg)",
            "![confidence](confidence.svg)",
            "",
        ]
    if "vec2text" in metrics:
        lines += [
            f"{details['texts']} held-out texts, each written from its embedding alone; `nearest_text` is the nearest "
            "of those that were learnt from. `of_place` is written of a held-out document's place alone, as a click "
            "asks: two coordinates do not tell one text, so it has to be set beside `nearest_on_map`.",
            "",
            *_table(metrics["vec2text"]),
            "",
            *_rows(["round", "cosine", "token F1", "BLEU", "exact"], _rounds(details["rounds"])),
            "",
            "![by round](rounds.svg)",
            "",
            *_rows(
                ["true", "written", "cosine", "nearest text"],
                [
                    [_safe(of["true"]), _safe(of["written"]), f"{of['cosine']:.2f}", _safe(of["nearest"])]
                    for of in details["examples"]
                ],
            ),
            "",
        ]
    if "of_places" in details:
        names = ("true", "of_place", "nearest_on_map")
        lines += [*_rows(names, [[_safe(of[name]) for name in names] for of in details["of_places"]]), ""]
    return "\n".join(lines)


def table(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """For the UI."""
    return [
        {"metric": name, "method": method, "value": f"{value:.4g}"}
        for part in PARTS
        for name, of in metrics.get(part, {}).items()
        for method, value in of.items()
    ]


def _table(part: Mapping[str, Mapping[str, float]]) -> list[str]:
    methods = list(dict.fromkeys(method for of in part.values() for method in of))
    rows = [
        [name, *(f"{of[method]:.4g}" if method in of else "" for method in methods), SAID.get(name, "")]
        for name, of in part.items()
    ]
    return _rows(["", *methods, ""], rows)


def _rounds(rounds: Sequence[Mapping[str, float]]) -> list[list[str]]:
    return [
        [f"{of['round']:.0f}", *(f"{of[what]:.3f}" for what in ("cosine", "token_f1", "bleu", "exact_match"))]
        for of in rounds
    ]


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _safe(text: str, longest: int = 100) -> str:
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return cut.replace("|", "\\|").replace("\n", " ")
