"""One page that stands alone: what was found, the pictures, the rows themselves."""

import html
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import polars as pl

SHOWN = 15
CHARACTERS = 300
TITLES = {
    "precomp_losses.svg": "Losses",
    "precomp_scores.svg": "How scores are spread",
    "precomp_roc_pr.svg": "What is found, and at what price",
    "precomp_length.svg": "Score against length",
    "precomp_knn.svg": "Ranks by score and by the distance to 5 neighbours",
    "precomp_experiments.svg": "All experiments",
}
LESS = "{difference:+.3f} [{difference_low:+.3f}, {difference_high:+.3f}]"
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;font-size:13px;margin:1rem 0}td,th{border:1px solid #ddd;padding:.25rem .5rem;"
    "text-align:left;vertical-align:top}svg{max-width:100%;height:auto}"
)


def mean_rows(results: pl.DataFrame) -> list[dict[str, str]]:
    """A row for each experiment and detector: the mean AUROC over seeds near and far, and over all novel sets."""
    rows = []
    for (experiment, detector), part in results.group_by("experiment", "detector", maintain_order=True):
        by_set = part.group_by("novel_set", "near").agg(pl.mean("auroc"))
        near, far = (by_set.filter(near=is_near)["auroc"].to_list() for is_near in (True, False))
        rows.append(
            {
                "experiment": str(experiment),
                "detector": str(detector),
                "near": _share(near),
                "far": _share(far),
                "seconds": f"{mean(part.unique('seed')['seconds']):.2f}",
            }
        )
    return rows


def examples(rows: pl.DataFrame, texts: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """The most novel rows and the most familiar ones, as text. rows: id, novel, score."""
    ordered = rows.sort("score", "id", descending=[True, False])
    parts = {"The most novel": ordered.head(SHOWN), "The most familiar": ordered.tail(SHOWN).reverse()}
    return {
        title: [
            {"score": f"{row['score']:.3f}", "source": row["novel"] or "known", "text": texts[row["id"]][:CHARACTERS]}
            for row in part.iter_rows(named=True)
        ]
        for title, part in parts.items()
    }


def write_page(
    results: pl.DataFrame,
    summary: Mapping[str, Any],
    shown: Mapping[str, Sequence[Mapping[str, str]]],
    pictures: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """report.html: nothing in it is fetched from elsewhere."""
    parts = [
        "<h1>How novel is what was not learnt?</h1>",
        *(f"<p><strong>{html.escape(note)}</strong></p>" for note in notes),
        "<p>AUROC: how often a novel row scores above a known one that was held out; 0.5 is chance. AUPR: average "
        "precision, novel rows being sought. FPR at 95 %: known rows called novel where 95 % of novel ones are found. "
        "Near sets are of the known source's domain. Intervals resample test rows, 95 %; they do not cover which rows "
        "were learnt. Seconds are of the wall, those of networks that train together shared.</p>",
        "<h2>Means over seeds</h2>",
        _table(mean_rows(results)),
        "<h2>Each novel set, with the difference to the distance to 5 neighbours</h2>",
    ]
    for name, of in summary.items():
        chosen = of["default_detector"] or "none: no source was left to choose it by"
        parts += [f"<h3>{html.escape(name)}</h3><p>Default detector, by validation: {html.escape(chosen)}.</p>"]
        parts += [_table(_interval_rows(of["novel_sets"]))]
    parts += [f"<h2>{TITLES[name]}</h2>{_inline(picture)}" for name, picture in pictures.items()]
    parts += [f"<h2>{title}</h2>{_table(rows)}" for title, rows in shown.items()]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Novelty</title><style>{STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>"
    )


def comparison_rows(batches: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """A row for each batch, experiment and detector: its encoder, and mean AUROC over seeds by novel set.

    mean: over the novel sets that all batches have; None where they have none.
    """
    rows = []
    shared = set.intersection(*(set(results["novel_set"]) for results in batches.values()))
    for batch, results in batches.items():
        each = results.group_by("experiment", "encoder", "detector", maintain_order=True)
        for (experiment, encoder, detector), part in each:
            by_set = part.group_by("novel_set", maintain_order=True).agg(pl.mean("auroc"))
            found = dict(by_set.iter_rows())
            rows.append({"batch": batch, "experiment": experiment, "encoder": encoder, "detector": detector, **found})
            rows[-1]["mean"] = mean(found[name] for name in shared) if shared else None
    return rows


def _interval_rows(novel_sets: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "novel set": name,
            "detector": detector,
            "AUROC": _estimate(found["auroc"]),
            "less knn_5": LESS.format_map(found["auroc"]),
            "AUPR": _estimate(found["aupr"]),
            "FPR at 95 %": _estimate(found["fpr95"]),
        }
        for name, of in novel_sets.items()
        for detector, found in of.items()
    ]


def _estimate(of: Mapping[str, float]) -> str:
    return "{mean:.3f} [{low:.3f}, {high:.3f}]".format_map(of)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _inline(picture: str) -> str:
    return picture[picture.index("<svg") :]


def _share(values: Sequence[float]) -> str:
    return f"{mean(values):.3f}" if values else "–"
