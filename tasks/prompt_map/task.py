"""Prompts, vectors and densities to the map, as a cached task."""

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.prompt_map.params import MapParams
from tasks.reporting import log_line, progress, show_table
from tasks.tables import PROMPTS, WEIGHTS, read_embeddings, read_table


@cached_task("draw the prompt map, {params.n_neighbors} neighbours")
def draw_prompt_map(prompts: Artifact, embeddings: Artifact, weights: Artifact, params: MapParams) -> Artifact:
    """Lay the prompts out in 3D: embeddings_3d.json and the stand-alone page prompt_map.html."""
    from tasks.prompt_map.layout import layout
    from tasks.prompt_map.page import map_page
    from tasks.prompt_map.points import map_points, points_json

    texts = read_table(prompts.path, {name: PROMPTS[name] for name in ("id", "prompt", "source")})
    densities = read_table(weights.path, {name: WEIGHTS[name] for name in ("id", "density")})
    ids, emb = read_embeddings(embeddings.path)
    with progress(f"lay out {len(ids)} prompts"):
        places = layout(emb, **params.model_dump())
    points = map_points(texts, ids, places, densities)
    with new_artifact("prompt_map", "map") as out:
        out.path.mkdir()
        (out.path / "embeddings_3d.json").write_text(points_json(points), encoding="utf-8")
        (out.path / "prompt_map.html").write_text(map_page(points), encoding="utf-8")
        out.holds(len(ids))
    show_table("prompt-map", points["source"].value_counts(sort=True).to_dicts(), "Prompts on the map by source")
    log_line("%d prompts on the map", len(ids))
    return out.sealed()
