"""Prompts to unit vectors, as a cached task."""

from tasks.artifact import Artifact, external, new_artifact
from tasks.caching import cached_task
from tasks.embed.params import EmbedParams
from tasks.errors import InputError
from tasks.minilm import MINILM_NAMES, minilm_folder
from tasks.reporting import log_line, progress, show_table
from tasks.tables import PROMPTS, read_table, write_embeddings


def embedding_model(params: EmbedParams, sft: Artifact | None = None) -> Artifact:
    """The folder of the model that encodes. sft: the SFT stage's folder, with parts model and base."""
    if params.encoder in MINILM_NAMES:
        return external(minilm_folder())
    if params.encoder != "policy":
        return _named_model(params.encoder)
    if params.ckpt_source == "grpo":
        return external(str(params.grpo_model))
    if sft is None:
        raise InputError(
            f"--embed.encoder policy with --embed.ckpt-source {params.ckpt_source} needs an SFT stage before it. "
            "Give --embed.ckpt-source grpo and --embed.grpo-model FOLDER, or --embed.encoder minilm."
        )
    return sft.part("base" if params.ckpt_source == "base" else "model")


@cached_task("embed with {params.encoder}")
def embed(prompts: Artifact, model: Artifact, params: EmbedParams) -> Artifact:
    """Give every prompt a vector of length 1: embeddings.parquet with id and emb."""
    from tasks.embed.encode import encode

    table = read_table(prompts.path, {name: PROMPTS[name] for name in ("id", "prompt")})
    with progress(f"embed {len(table)} prompts") as show:
        encoded = encode(table, model.path, params, show)
    with new_artifact("embed", "embeddings.parquet") as out:
        write_embeddings(out.path, encoded.ids, encoded.emb)
        out.holds(len(encoded.ids))
    show_table("embed", [encoded.summary(params.encoder)], "Prompts as unit vectors")
    log_line("%d prompts embedded, %d of them longer than the model and cut", len(encoded.ids), encoded.truncated)
    return out.sealed()


def _named_model(encoder: str) -> Artifact:
    from tasks.models import find_model

    try:
        return find_model(encoder)
    except InputError as error:
        raise InputError(
            f"--embed.encoder {encoder}: {error} These need no network: policy, minilm, or the folder of a "
            "sentence-transformers model."
        ) from error
