"""Rare prompts from vectors: density weights, and a sample of ids drawn by them."""

from pathlib import Path

from flows.cli import run
from flows.deployed import deployable
from flows.params import SampleRareParams
from tasks.artifact import external, publish, require_writable
from tasks.density.task import weigh_by_density


@deployable("sample-rare", "sample {params.budget} of {params.emb.name}")
def sample_rare(params: SampleRareParams) -> dict[str, Path]:
    """Draw ids without replacement, the rarer the likelier."""
    for folder in (params.out, *([params.out_indices.parent] if params.out_indices else [])):
        require_writable(folder)
    embeddings = external(params.emb)
    prompts = external(params.prompts) if params.prompts else None
    density = weigh_by_density(embeddings, prompts, params.density)
    published = {name: publish(density.part(name), params.out / name) for name in ("weights.parquet", "density.md")}
    ids = publish(density.part("sampled_ids.txt"), params.out_indices or params.out / "sampled_ids.txt")
    return {**published, "sampled_ids.txt": ids}


if __name__ == "__main__":
    run(sample_rare, SampleRareParams)
