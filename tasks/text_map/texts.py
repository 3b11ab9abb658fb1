"""Texts that a writer learns and is judged by, with their vectors."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.errors import InputError
from tasks.sentences import load_sentence_model, sentence_vectors, token_counts
from tasks.tables import Floats, read_embeddings
from tasks.text_map.kept import load_documents, table_of
from tasks.text_map.params import WritingParams
from tasks.text_map.splits import split
from tasks.vectors import unit

COMPARED = 8
SAME = 0.98
"""Cosine of an embedding that was given and one that is made of the same text by the same model."""
JUDGED = 200
"""Held-out texts that are written."""
BATCH_TOKENS = 2048


class Texts(NamedTuple):
    """Of n documents."""

    ids: list[str]
    texts: list[str]
    emb: Floats
    """[n, D], unit vectors of the texts."""


def training_texts(documents: Path, vectors: Path, params: WritingParams) -> Texts:
    """Texts of documents that are not held out; those that are empty left out."""
    return _part(documents, vectors, params, 0)


def held_out_texts(documents: Path, vectors: Path, params: WritingParams) -> Texts:
    """The same of held-out documents, `JUDGED` at most: each text once, and none that also stands in training."""
    every = _part(documents, vectors, params, 1)
    return Texts(every.ids[:JUDGED], every.texts[:JUDGED], every.emb[:JUDGED])


def _part(documents: Path, vectors: Path, params: WritingParams, which: int) -> Texts:
    table = table_of(documents)
    is_text = pl.col(params.text).str.strip_chars() != ""
    known, held = (table[rows].filter(is_text) for rows in split(len(table), params.seed))
    new = held.unique(params.text, maintain_order=True).join(known, on=params.text, how="anti", maintain_order="left")
    chosen = new if which else known
    if not len(chosen):
        raise InputError(
            f"No {'held-out ' if which else ''}document has a {params.text} of its own, so writing them could not be "
            f"{'judged' if which else 'learnt'}. Choose another --text, give more documents, or --skip-vec2text."
        )
    ids, emb = read_embeddings(vectors)
    at = {one: row for row, one in enumerate(ids)}
    named = chosen["document_id"].to_list()
    return Texts(named, chosen[params.text].to_list(), unit(emb[[at[one] for one in named]]))


def embed_with(folder: Path) -> Callable[[list[str]], Floats]:
    """Texts to unit vectors by the model in a folder, which is loaded once."""
    model = load_sentence_model(folder)

    def embed(texts: list[str]) -> Floats:
        lengths, _ = token_counts(model, texts)
        return unit(sentence_vectors(model, texts, lengths, batch_tokens=BATCH_TOKENS, show=lambda share: None))

    return embed


def compare_embedder(documents: Path, embedder: Path) -> str | None:
    """Whether the documents' embeddings are this model's, told by a few: what is said where they seem not to be.

    Raises InputError where they have another size: then no text could be looked for by them.
    """
    made = load_documents(documents)
    some = made.texts[:COMPARED]
    given = unit(made.emb[:COMPARED])
    titles, contents = some["title"].to_list(), some["content"].to_list()
    both = [f"{title} {content}" for title, content in zip(titles, contents, strict=True)]
    embed = embed_with(embedder)
    ways = [embed(texts) for texts in (titles, contents, both)]
    if ways[0].shape[1] != given.shape[1]:
        raise InputError(
            f"The documents' embeddings have {given.shape[1]} numbers, the encoder gives {ways[0].shape[1]}: they are "
            "not its own, so no text could be judged by them. Give the --encoder that made them, or --skip-vec2text."
        )
    nearest = max(float(np.einsum("nd,nd->n", given, own).mean()) for own in ways)
    if nearest >= SAME:
        return None
    return (
        f"The documents' embeddings are nearest {nearest:.2f} (cosine) to what the encoder gives of their titles and "
        "contents: they may be another's, and texts would be looked for in vain."
    )
