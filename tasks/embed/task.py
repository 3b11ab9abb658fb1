"""Texts to vectors, as cached tasks: what an earlier run encoded is taken from its shards, the rest goes into new.

A shard is a table of vectors like the result's, whose ids are the texts' hashes.
"""

from collections.abc import Mapping
from pathlib import Path

from tasks.artifact import Artifact, external, finished_artifacts, new_artifact
from tasks.caching import cached_task, identity, made_since, source_hash
from tasks.embed.params import POLICY, EmbedParams, Encoding
from tasks.errors import InputError
from tasks.minilm import MINILM_NAMES, minilm_folder
from tasks.model_folders import find_model
from tasks.reporting import log_line, progress, show_table
from tasks.tables import write_embeddings

SHARD = "shard.parquet"


def embedding_model(params: EmbedParams, policies: Mapping[str, Path]) -> Artifact:
    """The folder of the model that encodes. policies: folders of the flow's own language model, base and sft."""
    if params.encoder in MINILM_NAMES:
        return external(minilm_folder())
    if params.encoder != POLICY:
        return _named_model(params.encoder)
    if params.ckpt_source == "grpo":
        return external(str(params.grpo_model))
    own = policies.get(params.ckpt_source)
    if own is None or not own.is_dir():
        raise InputError(
            f"encoder policy with ckpt-source {params.ckpt_source} needs a model that was trained before"
            f"{f', and {own} is none' if own else ''}. Run flows.kat first, give ckpt-source grpo and grpo-model "
            "FOLDER, or encoder minilm."
        )
    return external(own)


def embedding_model_if_reachable(params: EmbedParams) -> Artifact | None:
    """The folder of a named model; None where neither a folder nor a hub has it."""
    try:
        return embedding_model(params, {})
    except InputError:
        return None


@cached_task("read conversations")
def read_texts(data: Artifact, shown: str) -> Artifact:
    """A user's JSONL or Parquet, checked: id, prompt, assistant (or null)."""
    from tasks.embed.texts import read_conversations

    texts = read_conversations(data.path, shown)
    with new_artifact("embed", "texts.parquet") as out:
        texts.write_parquet(out.path)
        out.holds(len(texts))
    return out.sealed()


def known_shards(texts: Artifact, model: Artifact, encoding: Encoding) -> tuple[list[Artifact], int]:
    """Whole shards that together hold what is known of these texts, by this model, encoding and source.

    And the number of texts that are not known.

    Raises InputError for texts that could not be found again: no row, a repeated id, an empty prompt.
    """
    from tasks.embed.texts import covering, read_hashed

    made = {"encoding": identity(encoding)}
    inputs = {"model": identity(model)}
    source, since = source_hash(__name__), made_since("embed")
    shards = (
        shard
        for manifest, shard in finished_artifacts("embed", SHARD)
        if manifest["params"] == made and manifest["inputs"] | inputs == manifest["inputs"]
        if manifest["source"] == source and manifest.get("made", 0.0) >= since
    )
    return covering(read_hashed(texts.path)["text"], shards)


@cached_task("cut texts into shards")
def cut_texts(texts: Artifact, known: list[Artifact]) -> Artifact:
    """A folder of tables with the texts that no known shard holds."""
    from tasks.embed.texts import cut, read_hashed

    shards = cut(read_hashed(texts.path), [shard.path for shard in known])
    with new_artifact("embed", "cut") as out:
        out.path.mkdir()
        for number, shard in enumerate(shards):
            shard.write_parquet(out.path / f"{number:05}.parquet")
        out.holds(sum(map(len, shards)))
    return out.sealed()


def shards_of(cut: Artifact) -> list[Artifact]:
    """The tables of `cut_texts`."""
    return [cut.part(path.name) for path in sorted(cut.path.iterdir())]


@cached_task("encode shard {texts.path.stem}")
def encode_shard(texts: Artifact, model: Artifact, encoding: Encoding) -> Artifact:
    """Vectors of texts by their hashes, as the model gives them."""
    from tasks.embed.encode import encode
    from tasks.embed.texts import read_shard

    table = read_shard(texts.path)
    with progress(f"encode {len(table)} texts") as show:
        encoded = encode(table, model.path, encoding, show)
    with new_artifact("embed", SHARD) as out:
        write_embeddings(out.path, table["text"].to_list(), encoded.emb)
        out.holds(len(table), tokens=encoded.tokens, truncated=encoded.truncated)
    log_line(
        "%d texts of %d tokens encoded in %s, %d of them longer than the model and cut",
        *(len(table), encoded.tokens, str(encoded.dtype).removeprefix("torch."), encoded.truncated),
    )
    return out.sealed()


@cached_task("embed with {params.encoder}")
def embed(texts: Artifact, shards: list[Artifact], params: EmbedParams) -> Artifact:
    """Give every text its vector, of length 1 unless that is not wanted: embeddings.parquet with id and emb."""
    from tasks.embed.texts import gather, read_hashed
    from tasks.vectors import centred, unit

    table = read_hashed(texts.path)
    emb = gather(table["text"], [shard.path for shard in shards])
    emb = centred(emb) if params.encoder == POLICY and params.centre else emb
    emb = unit(emb) if params.normalize else emb
    with new_artifact("embed", "embeddings.parquet") as out:
        write_embeddings(out.path, table["id"].to_list(), emb)
        out.holds(len(table))
    summary = {"encoder": params.encoder, "prompts": len(table), "texts": table["text"].n_unique()}
    show_table("embed", [{**summary, "dimensions": emb.shape[1]}], "Prompts as vectors")
    return out.sealed()


def _named_model(encoder: str) -> Artifact:
    try:
        return find_model(encoder)
    except InputError as error:
        raise InputError(
            f"encoder {encoder}: {error} These need no network: policy, minilm, or the folder of a "
            "sentence-transformers model."
        ) from error
