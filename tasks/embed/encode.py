"""Texts to unit vectors, whichever encoder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.embed.params import EmbedParams
from tasks.embed.vectors import Floats, centred_unit, unit
from tasks.errors import InputError
from tasks.runtime import torch_threads


@dataclass(frozen=True)
class Encoded:
    """n unit vectors and what was met on the way."""

    ids: list[str]
    emb: Floats  # [n, D], each row of length 1
    tokens: int  # read by the model
    truncated: int  # texts longer than the model's positions: their beginning was encoded

    def summary(self, encoder: str) -> dict[str, object]:
        return {
            "encoder": encoder,
            "prompts": len(self.ids),
            "dimensions": self.emb.shape[1],
            "tokens": self.tokens,
            "truncated": self.truncated,
        }


def encode(prompts: pl.DataFrame, folder: Path, params: EmbedParams, show: Callable[[float], None]) -> Encoded:
    """Encode prompts with the model in a folder.

    prompts: columns id and prompt.  show: called with the share done.
    Raises InputError for no prompts, a repeated id, an empty text, or a model that does not load.
    """
    ids, texts = checked_texts(prompts)
    with torch_threads(params.threads):
        if params.encoder == "policy":
            return _encode_by_policy(ids, texts, folder, params, show)
        return _encode_by_sentence_model(ids, texts, folder, params, show)


def checked_texts(prompts: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Ids and texts. Raises InputError where a row could not get a vector that is found again by its id."""
    if prompts.is_empty():
        raise InputError("There are no prompts to embed. Give at least one, or loosen the filters before this stage.")
    repeated = prompts["id"].filter(prompts["id"].is_duplicated())
    if len(repeated):
        raise InputError(
            f"prompt id {repeated[0]!r} stands on {int((repeated == repeated[0]).sum())} rows, so its vector could "
            "not be found by its id. Make the ids unique."
        )
    empty = prompts.with_row_index("row").filter(pl.col("prompt").fill_null("").str.strip_chars() == "")
    if len(empty):
        raise InputError(
            f"prompt {empty['id'][0]!r} (row {empty['row'][0] + 1}) is empty, {len(empty)} such rows in all. An empty "
            "text has no meaning to place on a map. Drop these rows."
        )
    return prompts["id"].to_list(), prompts["prompt"].to_list()


def _encode_by_policy(
    ids: list[str], texts: list[str], folder: Path, params: EmbedParams, show: Callable[[float], None]
) -> Encoded:
    from tasks.embed.policy import load_states_model, mean_states, tokenize

    model = load_states_model(folder)
    tokens, truncated = tokenize(folder, ids, texts, model)
    emb = mean_states(model, tokens, batch_tokens=params.batch_tokens, show=show)
    return Encoded(ids, centred_unit(emb) if params.centre else unit(emb), sum(map(len, tokens)), truncated)


def _encode_by_sentence_model(
    ids: list[str], texts: list[str], folder: Path, params: EmbedParams, show: Callable[[float], None]
) -> Encoded:
    from tasks.sentences import load_sentence_model, sentence_vectors, token_counts

    model = load_sentence_model(folder)
    lengths = token_counts(model, texts)
    read = np.minimum(lengths, model.max_seq_length or lengths.max())
    emb = sentence_vectors(model, texts, read, batch_tokens=params.batch_tokens, show=show)
    return Encoded(ids, emb, int(read.sum()), int((lengths > read).sum()))
