"""Pairs in; each prompt once out."""

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.reporting import show_table
from tasks.tables import PAIRS, read_table


@cached_task("unique prompts")
def unique_prompts(pairs: Artifact) -> Artifact:
    """prompts.parquet: id, prompt, source, count, split, meta."""
    import polars as pl

    from tasks.prompts.unique import unique_rows

    prompts = unique_rows(read_table(pairs.path, {**PAIRS, "meta": pl.String}))
    with new_artifact("prompts", "prompts.parquet") as out:
        prompts.write_parquet(out.path)
        out.holds(prompts.height)
    by_source = prompts.group_by("source").agg(prompts=pl.len(), pairs=pl.sum("count")).sort("source")
    show_table("prompts", by_source.to_dicts(), "unique prompts by source")
    return out.sealed()
