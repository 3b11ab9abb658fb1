"""Each prompt once."""

import polars as pl

from tasks.prompt_identity import normalised, prompt_id

COLUMNS = ["id", "prompt", "source", "count", "split", "meta"]


def unique_rows(pairs: pl.DataFrame) -> pl.DataFrame:
    """Prompts that are the same after Unicode and whitespace normalisation become one, sorted by id.

    pairs: columns source, prompt, split, meta.
    Returns id (of the normalised prompt), prompt (normalised), source (the most frequent, the first by name
    among equals), count (pairs), split, meta (the first by text that is known).
    """
    prompts = pairs["prompt"].to_list()
    return (
        pairs.with_columns(
            id=pl.Series([prompt_id(prompt) for prompt in prompts], dtype=pl.String),
            prompt=pl.Series([normalised(prompt) for prompt in prompts], dtype=pl.String),
        )
        .group_by("id")
        .agg(
            pl.col("prompt").first(),
            pl.col("source").mode().sort().first(),
            pl.len().cast(pl.Int64).alias("count"),
            pl.col("split").first(),
            pl.col("meta").drop_nulls().sort().first(),
        )
        .sort("id")
        .select(COLUMNS)
    )
