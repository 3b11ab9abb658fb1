"""Prompts, vectors and densities to the map, as a cached task."""

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.prompt_map.params import MapParams
from tasks.reporting import log_line, progress, show_table
from tasks.tables import read_embeddings


@cached_task("draw the prompt map, {params.n_neighbors} neighbours")
def draw_prompt_map(prompts: Artifact, embeddings: Artifact, density: Artifact, params: MapParams) -> Artifact:
    """Lay the prompts out in 3D and 2D: embeddings_3d.json and the stand-alone page prompt_map.html.

    density: the density stage's folder, with weights.parquet and the report.json that says how they were made.
    """
    from tasks.prompt_map.draw import draw
    from tasks.prompt_map.inputs import read_prompts, read_weights

    texts = read_prompts(prompts.path)
    weights, weighting = read_weights(density.path)
    ids, emb = read_embeddings(embeddings.path)
    with progress(f"lay out {len(ids)} prompts"):
        drawn = draw(texts, ids, emb, weights, weighting, params)
    with new_artifact("prompt_map", "map") as out:
        out.path.mkdir()
        (out.path / "embeddings_3d.json").write_text(drawn.json, encoding="utf-8")
        (out.path / "prompt_map.html").write_text(drawn.page, encoding="utf-8")
        out.holds(len(ids), shown=drawn.shown)
    show_table("prompt-map", texts["source"].value_counts(sort=True).to_dicts(), "Prompts on the map by source")
    log_line("%d prompts on the map, %d of them on its page", len(ids), drawn.shown)
    return out.sealed()
