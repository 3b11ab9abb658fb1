"""Which held-out prompts are asked."""

import numpy as np
import polars as pl
from transformers import PreTrainedTokenizerBase

from tasks.errors import InputError
from tasks.prompting import prompt_ids


def held_out_prompts(
    prompts: pl.DataFrame, count: int, seed: int, tokenizer: PreTrainedTokenizerBase, longest: int
) -> tuple[pl.DataFrame, int]:
    """At most `count` prompts of split eval: as evenly from each source as it has them, in a seeded order.

    longest: tokens of a prompt at most.
    Returns id, prompt, source, meta, and the number of held-out prompts that are longer.
    Raises InputError where no prompt is left.
    """
    held_out = prompts.filter(split="eval").sort("id")
    short = held_out.filter([len(prompt_ids(text, tokenizer)) <= longest for text in held_out["prompt"]])
    if short.is_empty():
        raise InputError(
            f"No prompt of at most {longest} tokens is held out ({len(held_out)} longer ones are), so nothing can be "
            "measured. Raise --pairs.eval-share or --diversity.max-prompt, or give more pairs."
        )
    turn = np.random.default_rng(seed).permutation(len(short))
    asked = (
        short[turn]
        .with_columns(turn=pl.int_range(pl.len()).over("source"))
        .sort("turn", "source", maintain_order=True)
        .head(count)
        .select("id", "prompt", "source", "meta")
    )
    return asked, len(held_out) - len(short)
