"""Texts to raw vectors, whichever encoder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from tasks.batches import Ints
from tasks.embed.params import Encoding
from tasks.embed.texts import turns
from tasks.runtime import faster_threads, torch_threads
from tasks.tables import Floats
from tasks.vectors import unit

SAMPLE = 32
LEAST_COSINE = 0.9999
"""Of each of a sample's bfloat16 vectors to its float32 one; below, all are made in float32."""


@dataclass(frozen=True)
class Encoded:
    """n vectors and what was met on the way."""

    emb: Floats  # [n, D], as the model gives them
    tokens: int  # read by the model
    truncated: int  # texts longer than the model's positions: their beginning was encoded
    dtype: torch.dtype  # that the model computed with


def encode(texts: pl.DataFrame, folder: Path, encoding: Encoding, show: Callable[[float], None]) -> Encoded:
    """Encode texts with the model in a folder.

    texts: columns prompt and assistant (or null).  show: called with the share done.
    Raises InputError for a text without tokens or a model that does not load.
    """
    exact = encoding.dtype == "float32"  # in bfloat16 a CPU with tiles (AMX) rounds otherwise with another number
    with torch_threads(encoding.threads or (faster_threads() if exact else None)):
        if encoding.states:
            return _by_language_model(list(turns(texts)), folder, encoding, show)
        return _by_sentence_model(["\n".join(said) for said in turns(texts)], folder, encoding, show)


def _by_language_model(
    said: list[list[str]], folder: Path, encoding: Encoding, show: Callable[[float], None]
) -> Encoded:
    from tasks.states import load_states_model, mean_states, tokenize

    model = load_states_model(folder)
    tokens, truncated = tokenize(folder, said, model)
    emb = mean_states(model, tokens, batch_tokens=encoding.batch_tokens, show=show)
    return Encoded(emb, sum(map(len, tokens)), truncated, torch.float32)


def _by_sentence_model(texts: list[str], folder: Path, encoding: Encoding, show: Callable[[float], None]) -> Encoded:
    from tasks.sentences import compute_in_bfloat16, load_sentence_model, sentence_vectors, token_counts

    model = load_sentence_model(folder)
    read, truncated = token_counts(model, texts)

    def vectors(rows: Ints, shown: Callable[[float], None]) -> Floats:
        chosen = [texts[row] for row in rows]
        return sentence_vectors(model, chosen, read[rows], batch_tokens=encoding.batch_tokens, show=shown)

    if encoding.dtype == "bfloat16":
        sample = np.linspace(0, len(texts) - 1, min(SAMPLE, len(texts))).astype(np.int64)
        exact = vectors(sample, _unseen)
        compute_in_bfloat16(model)
        if (unit(exact) * unit(vectors(sample, _unseen))).sum(axis=1).min() < LEAST_COSINE:
            model = load_sentence_model(folder)
    emb = vectors(np.arange(len(texts)), show)
    return Encoded(emb, int(read.sum()), truncated, model.dtype)


def _unseen(share: float) -> None:
    """The progress of a sample is not shown."""
