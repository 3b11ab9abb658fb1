"""Which held-out prompts are asked."""

import numpy as np
import polars as pl

from tasks.errors import InputError


def held_out_prompts(prompts: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """At most `count` prompts of split eval: as evenly from each source as it has them, in a seeded order.

    Returns id, prompt, source, meta. Raises InputError where no prompt is held out.
    """
    held_out = prompts.filter(split="eval").sort("id")
    if held_out.is_empty():
        raise InputError(
            "No prompt is held out, so nothing can be measured. Raise --pairs.eval-share or give more pairs."
        )
    turn = np.random.default_rng(seed).permutation(len(held_out))
    return (
        held_out[turn]
        .with_columns(turn=pl.int_range(pl.len()).over("source"))
        .sort("turn", "source", maintain_order=True)
        .head(count)
        .select("id", "prompt", "source", "meta")
    )
