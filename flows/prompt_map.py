"""The map alone: pairs or prompts in, the page and its points out.

pairs → prompts → embed → density → map
"""

from pathlib import Path

from flows.cli import run
from flows.deployed import deployable
from flows.embed import embedded
from flows.params import PromptMapParams
from tasks.artifact import Artifact, external, publish, require_writable
from tasks.density.task import weigh_by_density
from tasks.embed.task import embedding_model
from tasks.pairs.task import collect_pairs, resolve_sources
from tasks.prompt_map.task import draw_prompt_map
from tasks.prompts.task import unique_prompts


@deployable("prompt-map", "prompt map by {params.encoder}")
def prompt_map(params: PromptMapParams) -> dict[str, Path]:
    """Map prompts: similar ones near each other, rare ones big."""
    require_writable(params.output_path.parent)
    prompts = external(params.prompts_path) if params.prompts_path else prompts_of_pairs(params)
    embeddings = embedded(prompts, embedding_model(params.embed, {}), params.embed)
    density = weigh_by_density(embeddings, prompts, params.density)
    drawn = draw_prompt_map(prompts, embeddings, density, params.map)
    return {
        name: publish(drawn.part(part), params.output_path.with_name(name))
        for part, name in (("embeddings_3d.json", params.output_path.name), ("prompt_map.html", "prompt_map.html"))
    }


def prompts_of_pairs(params: PromptMapParams) -> Artifact:
    collected = collect_pairs(params.pairs, None, *resolve_sources(params.pairs))
    return unique_prompts(collected.part("pairs.parquet"))


if __name__ == "__main__":
    run(prompt_map, PromptMapParams)
