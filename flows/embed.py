"""Vectors of texts: of those that an earlier run encoded from its shards, of the rest from new ones.

texts → known shards → cut the rest → encode each shard → embeddings, one vector a text
pairs →                                                 → token vectors of both sides (--tokens)
"""

from collections.abc import Callable
from pathlib import Path

from prefect import flow, unmapped
from prefect.logging import get_run_logger

from flows.cli import publish_contents, run
from flows.deployed import deployable
from flows.params import EmbedTextsParams
from flows.runners import dask
from tasks.artifact import Artifact, external, publish, require_writable
from tasks.embed.params import EmbedParams, Encoding, TokenEncoding
from tasks.embed.task import (
    cut_texts,
    embed,
    embedding_model,
    encoder_for,
    join_tokens,
    known_shards,
    read_pairs,
    read_texts,
    shards_of,
    share_for,
)

Encode = Callable[[list[Artifact], Artifact, Encoding | TokenEncoding], list[Artifact]]


@deployable("embed", "embed {params.data.name} with {params.encoder}")
def embed_texts(params: EmbedTextsParams) -> dict[str, Path]:
    """Encode what no earlier run has encoded, and give every text its vector under its id."""
    require_writable(params.out)
    data = external(params.data)
    texts = (read_pairs if params.tokens else read_texts)(data, str(params.data))
    model = embedding_model(params.embed, params.policies)
    encode: Encode = one_by_one
    if params.runner == "dask":
        encode = on_dask.with_options(task_runner=dask(params.dask_address, params.workers))
    if params.tokens:
        return publish_contents(token_vectors(texts, model, params.token_encoding, encode), params.out)
    vectors = embedded(texts, model, params.embed, encode)
    return {"embeddings.parquet": publish(vectors, params.out / "embeddings.parquet")}


def embedded(texts: Artifact, model: Artifact, params: EmbedParams, encode: Encode | None = None) -> Artifact:
    """embeddings.parquet of a table of texts (id, prompt and, where there is one, assistant)."""
    shards, missing = known_shards(texts, model, params.encoding)
    if missing:
        rest = shards_of(cut_texts(texts, shards))
        shards = [*shards, *(encode or one_by_one)(rest, model, params.encoding)]
    vectors = embed(texts, sorted(shards, key=lambda shard: shard.fingerprint), params)
    get_run_logger().info("encoded %d, reused %d", missing, vectors.manifest["rows"] - missing)
    return vectors


def token_vectors(pairs: Artifact, model: Artifact, encoding: TokenEncoding, encode: Encode) -> Artifact:
    """A folder with nl_embeddings.parquet and lean_embeddings.parquet of a table of pairs."""
    shards, missing = known_shards(pairs, model, encoding)
    if missing:
        rest = shards_of(cut_texts(pairs, shards, share_for(model)))
        shards = [*shards, *encode(rest, model, encoding)]
    vectors = join_tokens(pairs, sorted(shards, key=lambda shard: shard.fingerprint), encoding)
    get_run_logger().info("encoded %d, reused %d", missing, vectors.manifest["rows"] - missing)
    return vectors


def one_by_one(shards: list[Artifact], model: Artifact, encoding: Encoding | TokenEncoding) -> list[Artifact]:
    """One shard after the other: each may take all cores."""
    return [encoder_for(encoding)(shard, model, encoding) for shard in shards]


@flow(name="encode-shards", flow_run_name="encode shards on Dask")
def on_dask(shards: list[Artifact], model: Artifact, encoding: Encoding | TokenEncoding) -> list[Artifact]:
    """Shards on the workers of a Dask cluster."""
    return encoder_for(encoding).map(shards, unmapped(model), unmapped(encoding)).result()


if __name__ == "__main__":
    run(embed_texts, EmbedTextsParams)
