"""Vectors to sampling weights and a sample of rare prompts, as a cached task."""

import json

import polars as pl

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.density.params import DensityParams
from tasks.reporting import log_line, progress, show_table
from tasks.tables import WEIGHTS, read_embeddings


@cached_task("weigh by density, k={params.k}")
def weigh_by_density(embeddings: Artifact, params: DensityParams) -> Artifact:
    """Give every prompt a sampling weight, the rarer the heavier: weights.parquet, sampled_ids.txt, report.json."""
    from tasks.density.neighbours import knn_density
    from tasks.density.report import density_report, headline
    from tasks.density.sample import weighted_sample
    from tasks.density.weights import solve_weights

    ids, emb = read_embeddings(embeddings.path)
    with progress(f"neighbours of {len(ids)} prompts") as show:
        density = knn_density(emb, params.k, show)
    weighting = solve_weights(
        density, target_ess=params.target_ess, floor=params.floor, max_ratio=params.max_ratio, alpha=params.alpha
    )
    drawn = weighted_sample(weighting.weight, min(params.budget, len(ids)), params.seed)
    report = density_report(ids, density, weighting, params)
    with new_artifact("density", "density") as out:
        out.path.mkdir()
        pl.DataFrame({"id": ids, "density": density, "weight": weighting.weight}, schema=WEIGHTS).write_parquet(
            out.path / "weights.parquet"
        )
        (out.path / "sampled_ids.txt").write_text("".join(f"{ids[row]}\n" for row in drawn))
        (out.path / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
        out.holds(len(ids))
    show_table("density", headline(report), "Density weights: alpha, effective sample size, cap")
    log_line("alpha %.3g, effective sample size %.0f %% of n", weighting.alpha, 100 * weighting.ess_share)
    return out.sealed()
