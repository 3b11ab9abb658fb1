"""Vectors to sampling weights and a sample of rare prompts, as a cached task."""

import json

import numpy as np
import polars as pl

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.density.params import DensityParams
from tasks.reporting import log_line, progress, show_markdown, show_table
from tasks.tables import PROMPTS, WEIGHTS, read_embeddings, read_table


@cached_task("weigh by density, k={params.k}")
def weigh_by_density(
    embeddings: Artifact, prompts: Artifact | None, params: DensityParams, scores: Artifact | None = None
) -> Artifact:
    """Give every prompt a sampling weight, the rarer the heavier.

    prompts: texts and sources for the report.  scores: id and score of each, higher is rarer, in any unit: the median
    score over them weighs in the place of density.
    Returns a folder: weights.parquet, sampled_ids.txt, report.json, density.md.
    """
    from tasks.density.inputs import check_ids, check_texts, read_scores
    from tasks.density.neighbours import knn_density
    from tasks.density.report import density_page, density_report, headline, source_rows
    from tasks.density.sample import default_budget, weighted_sample
    from tasks.density.weights import solve_weights

    ids, emb = read_embeddings(embeddings.path)
    texts = read_table(prompts.path, {name: PROMPTS[name] for name in ("id", "prompt", "source")}) if prompts else None
    check_ids(ids)
    if texts is not None:
        check_texts(texts, ids)
    budget = params.budget or default_budget(len(ids))
    with progress(f"neighbours of {len(ids)} prompts") as show:
        density = knn_density(
            emb, params.k, exact_up_to=params.exact_up_to, least_recall=params.least_recall, show=show
        )
    if density.search.fell_back:
        log_line("no faster search found %s of the neighbours: each was compared with every other", params.least_recall)
    if scores is None:
        rarity = density.values
    else:
        given = read_scores(scores.path, ids)
        rarity = np.median(given) / given
    weighting = solve_weights(
        rarity,
        target_ess=params.target_ess,
        floor=params.floor,
        max_ratio=params.max_ratio,
        alpha=params.alpha,
    )
    drawn = weighted_sample(weighting.weight, budget, params.seed)
    report = density_report(ids, density, weighting, params, None if scores is None else rarity)
    weights = pl.DataFrame({"id": ids, "density": density.values, "weight": weighting.weight}, schema=WEIGHTS)
    by_source = source_rows(texts, weights) if texts is not None else []
    named = dict(texts.select("id", "prompt").iter_rows()) if texts is not None else {}
    page = density_page(report, by_source, named)
    with new_artifact("density", "density") as out:
        out.path.mkdir()
        weights.write_parquet(out.path / "weights.parquet")
        (out.path / "sampled_ids.txt").write_text("".join(f"{ids[row]}\n" for row in drawn))
        (out.path / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
        (out.path / "density.md").write_text(page)
        out.holds(len(ids))
    show_table("density", headline(report), "Density weights: alpha, effective sample size, cap")
    show_table("density-by-source", by_source, "Weights by source; the mean over all is 1")
    show_markdown("density", page, "Density, the rarest and the most common prompts")
    log_line("alpha %.3g, effective sample size %.0f %% of n", weighting.alpha, 100 * weighting.ess_share)
    return out.sealed()
