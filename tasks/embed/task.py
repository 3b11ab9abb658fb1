"""Texts to vectors, as cached tasks: what an earlier run encoded is taken from its shards, the rest goes into new.

A shard is a table of vectors like the result's, whose ids are the texts' hashes; of pairs of statements it is a folder
with a table of token vectors for each side.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifact import Artifact, external, finished_artifacts, new_artifact
from tasks.caching import cached_task, identity, made_since, source_hash
from tasks.embed.params import POLICY, EmbedParams, Encoding, TokenEncoding
from tasks.errors import InputError
from tasks.minilm import MINILM_NAMES, minilm_folder
from tasks.model_folders import find_model
from tasks.reporting import log_line, progress, show_table
from tasks.tables import write_embeddings

MINILM_BYTES = 90_000_000
"""A shard of usual length is 10 to 20 seconds of such a model."""


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


@cached_task("read pairs")
def read_pairs(data: Artifact, shown: str) -> Artifact:
    """A user's JSONL or Parquet, checked: id, nl and lean, these as prompt and assistant."""
    from tasks.embed import texts

    pairs = texts.read_pairs(data.path, shown)
    with new_artifact("embed", "pairs.parquet") as out:
        pairs.write_parquet(out.path)
        out.holds(len(pairs))
    return out.sealed()


def known_shards(texts: Artifact, model: Artifact, encoding: Encoding | TokenEncoding) -> tuple[list[Artifact], int]:
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
        for manifest, shard in finished_artifacts("embed", encoding.shard)
        if manifest["params"] == made and manifest["inputs"] | inputs == manifest["inputs"]
        if manifest["source"] == source and manifest.get("made", 0.0) >= since
    )
    return covering(read_hashed(texts.path)["text"], shards)


@cached_task("cut texts into shards")
def cut_texts(texts: Artifact, known: list[Artifact], share: float = 1.0) -> Artifact:
    """A folder of tables with the texts that no known shard holds. share: of a shard's usual length."""
    from tasks.embed.texts import cut, read_hashed

    shards = cut(read_hashed(texts.path), [shard.path for shard in known], share)
    with new_artifact("embed", "cut") as out:
        out.path.mkdir()
        for number, shard in enumerate(shards):
            shard.write_parquet(out.path / f"{number:05}.parquet")
        out.holds(sum(map(len, shards)))
    return out.sealed()


def share_for(model: Artifact) -> float:
    """The share of a shard's usual length that a model larger than MiniLM encodes in about its time."""
    return min(1.0, MINILM_BYTES / max(1, sum(file.stat().st_size for file in model.path.rglob("*.safetensors"))))


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
    with new_artifact("embed", encoding.shard) as out:
        write_embeddings(out.path, table["text"].to_list(), encoded.emb)
        out.holds(len(table), tokens=encoded.tokens, truncated=encoded.truncated)
    log_line(
        "%d texts of %d tokens encoded in %s, %d of them longer than the model and cut",
        *(len(table), encoded.tokens, str(encoded.dtype).removeprefix("torch."), encoded.truncated),
    )
    return out.sealed()


@cached_task("encode tokens of shard {pairs.path.stem}")
def encode_tokens(pairs: Artifact, model: Artifact, encoding: TokenEncoding) -> Artifact:
    """Token vectors of pairs by their hashes: a folder with a table of each side."""
    from tasks.embed.texts import LEAN, NL, read_shard
    from tasks.embed.tokens import load_token_model, read_sides, token_vectors
    from tasks.runtime import faster_threads, torch_threads
    from tasks.token_vectors import token_writer

    with torch_threads(encoding.threads or faster_threads()):
        loaded = load_token_model(model.path, model.fingerprint)
        sides = read_sides(read_shard(pairs.path), loaded)
        dim, dtype = loaded.dim, encoding.token_dtype
        with new_artifact("embed", encoding.shard) as out, progress(f"encode {len(sides.texts)} pairs") as show:
            out.path.mkdir()
            with token_writer(out.path / NL, dim, dtype) as to_nl, token_writer(out.path / LEAN, dim, dtype) as to_lean:
                for nl, lean in token_vectors(sides, loaded, encoding, show):
                    to_nl(nl)
                    to_lean(lean)
            out.holds(len(sides.texts), tokens=sides.tokens, truncated=sides.truncated)
    log_line(
        "%d pairs of %d tokens encoded, %d texts longer than the model and cut",
        *(len(sides.texts), sides.tokens, sides.truncated),
    )
    return out.sealed()


@cached_task("join token vectors")
def join_tokens(pairs: Artifact, shards: list[Artifact], encoding: TokenEncoding) -> Artifact:
    """Token vectors of every pair under its id: a folder with nl_embeddings.parquet and lean_embeddings.parquet."""
    from tasks.embed.texts import LEAN, NL, gather_tokens, read_hashed
    from tasks.token_vectors import token_sizes, write_tokens

    table = read_hashed(pairs.path)
    with new_artifact("embed", "token_vectors") as out:
        out.path.mkdir()
        for side in (NL, LEAN):
            files = [shard.path / side for shard in shards]
            dim = token_sizes(files[0])[2]
            write_tokens(out.path / side, gather_tokens(table, files), dim, encoding.token_dtype)
        rows, tokens, dim = token_sizes(out.path / NL)
        out.holds(rows, tokens=tokens)
    show_table("token-vectors", [{"pairs": rows, "tokens of each side": tokens, "dimensions": dim}], "Token vectors")
    return out.sealed()


def encoder_for(encoding: Encoding | TokenEncoding) -> Any:
    """The task that encodes a shard."""
    return encode_tokens if isinstance(encoding, TokenEncoding) else encode_shard


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
