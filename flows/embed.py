"""Vectors of texts: of those that an earlier run encoded from its shards, of the rest from new ones.

texts → known shards → cut the rest → encode each shard → embeddings
"""

from collections.abc import Callable
from pathlib import Path

from prefect import flow, unmapped
from prefect.logging import get_run_logger

from flows.cli import run
from flows.deployed import deployable
from flows.params import EmbedTextsParams
from flows.runners import dask
from tasks.artifact import Artifact, external, publish, require_writable
from tasks.embed.params import EmbedParams, Encoding
from tasks.embed.task import cut_texts, embed, embedding_model, encode_shard, known_shards, read_texts, shards_of


@deployable("embed", "embed {params.data.name} with {params.encoder}")
def embed_texts(params: EmbedTextsParams) -> dict[str, Path]:
    """Encode what no earlier run has encoded, and give every text its vector under its id."""
    require_writable(params.out)
    texts = read_texts(external(params.data), str(params.data))
    model = embedding_model(params.embed, params.policies)
    encode = one_by_one
    if params.runner == "dask":
        encode = on_dask.with_options(task_runner=dask(params.dask_address, params.workers))
    vectors = embedded(texts, model, params.embed, encode)
    return {"embeddings.parquet": publish(vectors, params.out / "embeddings.parquet")}


def embedded(
    texts: Artifact,
    model: Artifact,
    params: EmbedParams,
    encode: Callable[[list[Artifact], Artifact, Encoding], list[Artifact]] | None = None,
) -> Artifact:
    """embeddings.parquet of a table of texts (id, prompt and, where there is one, assistant)."""
    shards, missing = known_shards(texts, model, params.encoding)
    if missing:
        rest = shards_of(cut_texts(texts, shards))
        shards = [*shards, *(encode or one_by_one)(rest, model, params.encoding)]
    vectors = embed(texts, sorted(shards, key=lambda shard: shard.fingerprint), params)
    get_run_logger().info("encoded %d, reused %d", missing, vectors.manifest["rows"] - missing)
    return vectors


def one_by_one(shards: list[Artifact], model: Artifact, encoding: Encoding) -> list[Artifact]:
    """One shard after the other: each may take all cores."""
    return [encode_shard(shard, model, encoding) for shard in shards]


@flow(name="encode-shards", flow_run_name="encode shards on Dask")
def on_dask(shards: list[Artifact], model: Artifact, encoding: Encoding) -> list[Artifact]:
    """Shards on the workers of a Dask cluster."""
    return encode_shard.map(shards, unmapped(model), unmapped(encoding)).result()


if __name__ == "__main__":
    run(embed_texts, EmbedTextsParams)
