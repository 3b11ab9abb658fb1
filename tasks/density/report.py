"""The density stage's figures: as JSON, and as a page to read."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.density.neighbours import Density
from tasks.density.params import DensityParams
from tasks.density.weights import Weighting

SHOWN = 20
NEIGHBOURS_SHOWN = 3
BINS = 20
BAR = 40


def density_report(
    ids: list[str],
    density: Density,
    weighting: Weighting,
    params: DensityParams,
    instead: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """What was done and what came out, as JSON. ids: n.  instead: [n], what weighed in the place of density."""
    values = density.values
    by_rarity = np.lexsort((np.array(ids), values if instead is None else instead))
    low, middle, high = (float(np.quantile(values, q)) for q in (0.1, 0.5, 0.9))
    counts, edges = np.histogram(values, bins=BINS)
    weight, _ = np.histogram(values, bins=edges, weights=weighting.weight)
    return {
        "n": len(ids),
        "weighed_by": "density" if instead is None else "scores",
        "k": min(params.k, max(0, len(ids) - 1)),
        "search": asdict(density.search),
        "alpha": weighting.alpha,
        "alpha_solved": params.alpha is None,
        "target_ess": params.target_ess,
        "on_target": weighting.on_target,
        "ess": weighting.ess,
        "ess_share": weighting.ess_share,
        "floor": params.floor,
        "cap": params.max_ratio,
        "capped": weighting.capped,
        "density": {"p10": low, "median": middle, "p90": high},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist(), "weight": weight.tolist()},
        "rarest": [_row(ids, density, weighting, row) for row in by_rarity[:SHOWN]],
        "most_common": [_row(ids, density, weighting, row) for row in by_rarity[::-1][:SHOWN]],
    }


def headline(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The report's figures as one row of a table."""
    shown = ("n", "k", "alpha", "ess", "ess_share", "target_ess", "on_target", "cap", "capped")
    return [{name: report[name] for name in shown}]


def source_rows(prompts: pl.DataFrame, weights: pl.DataFrame) -> list[dict[str, Any]]:
    """For each source its prompts, mean density, mean weight (1 over all) and shares of prompts and of weight.

    prompts: id, source.  weights: id, density, weight.
    """
    return (
        weights.join(prompts.select("id", "source"), on="id", how="left")
        .group_by(pl.col("source").fill_null("unknown"))
        .agg(
            prompts=pl.len(),
            mean_density=pl.mean("density").round(3),
            mean_weight=pl.mean("weight").round(3),
            share_of_prompts=(pl.len() / len(weights)).round(3),
            share_of_weight=(pl.sum("weight") / weights["weight"].sum()).round(3),
        )
        .sort("mean_weight", "source", descending=[True, False])
        .to_dicts()
    )


def density_page(report: dict[str, Any], by_source: list[dict[str, Any]], texts: dict[str, str]) -> str:
    """The report as Markdown. texts: by id, those of the prompts named in the report at least."""
    search = report["search"]
    found = {
        "flat": "each prompt compared with every other",
        "scan": "all scanned as codes",
        "lists": f"the codes in {search['probes']} of {search['lists']} inverted lists scanned",
    }[search["index"]]
    if search["index"] != "flat":
        found += f", {search['per_neighbour']} compared for each one; recall {search['recall']:.4f} on a sample"
    elif search["fell_back"]:
        found += f", for no faster search found {search['least_recall']:g} of the neighbours"
    weighed = "density"
    if report["weighed_by"] == "scores":
        weighed = "median score / score"
    lines = [
        "# How dense the prompts lie",
        "",
        f"{report['n']:,} prompts, {report['k']} nearest by cosine ({found}). Weights ∝ (floor + {weighed})^-α with "
        f"α = {report['alpha']:.3g}: effective sample size {report['ess_share']:.2f} of the prompts, "
        f"{report['capped']} capped at {report['cap']:g} times the median.",
        "",
        "Rare means far from all others: that is the tail to learn more of, and also what is odd, broken or off topic. "
        "Read the first list before trusting the weights.",
        "",
        "## Density",
        "",
        "```",
        *_histogram(report["histogram"], report["n"]),
        "```",
        "",
    ]
    if by_source:
        lines += ["## By source", "", *_table(by_source), ""]
    for title, name in (("Rarest", "rarest"), ("Most common", "most_common")):
        lines += [f"## {title}", ""]
        for row in report[name]:
            lines.append(f"- **{row['weight']:.2f}** (density {row['density']:.3f}) {_quoted(row['id'], texts)}")
            lines += [f"    - {near['cosine']:.3f} {_quoted(near['id'], texts)}" for near in row["neighbours"]]
        lines.append("")
    return "\n".join(lines)


def _row(ids: list[str], density: Density, weighting: Weighting, row: int) -> dict[str, Any]:
    near = density.neighbours(row)[:NEIGHBOURS_SHOWN]
    return {
        "id": ids[row],
        "density": float(density.values[row]),
        "weight": float(weighting.weight[row]),
        "neighbours": [{"id": ids[other], "cosine": cosine} for other, cosine in near],
    }


def _histogram(histogram: dict[str, list[float]], n: int) -> list[str]:
    most = max(histogram["counts"])
    return [
        f"{low:5.3f}  {'█' * round(BAR * count / most):{BAR}}  {count:>8,} prompts, {weight / n:6.1%} of the weight"
        for low, count, weight in zip(histogram["edges"], histogram["counts"], histogram["weight"], strict=False)
    ]


def _table(rows: list[dict[str, Any]]) -> list[str]:
    return [_line(rows[0]), "|" + " --- |" * len(rows[0]), *(_line(row.values()) for row in rows)]


def _line(cells: Iterable[Any]) -> str:
    """Cells on one line, whatever is in them."""
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"


def _quoted(name: str, texts: dict[str, str]) -> str:
    """A prompt on one line as code, so that nothing in it is markup."""
    if name not in texts:
        return f"`{name}`"
    line = " ".join((texts[name] or "").split()).replace("`", "'")
    return f"`{line if len(line) <= 120 else line[:119] + '…'}`"
