"""Pairs of statements, nl and lean, to token vectors: a hidden layer's states, one vector a token.

A causal language model reads the text as it is, without a chat template; of a sentence-transformers model it is the
states below its pooling. Special tokens that the tokenizer adds (BOS, [CLS], [SEP]) are read by the model, but their
vectors are left out: they stand for no part of the text, and a first token's is often far longer than all others.

Both sides of a pair keep equally many tokens, n = min(nl, lean), so that `nl - lean` is defined: of the longer side
the middle of each of n equal stretches. What is kept are real vectors of the whole statement, not of its beginning.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.batches import Ints, equal_length_batches
from tasks.embed.params import TokenEncoding
from tasks.errors import InputError
from tasks.model_folders import is_language_model
from tasks.models import context_length, load_tokenizer
from tasks.states import load_states_model, require_known
from tasks.tables import Floats
from tasks.token_vectors import Tokens, first_beyond

NUMBERS = 1 << 26
"""In memory at once, of what has been computed: 256 MB."""


@dataclass(frozen=True)
class TokenModel:
    """What gives token vectors."""

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    longest: int  # tokens of a text, special ones counted
    folder: Path

    @property
    def dim(self) -> int:
        return int(self.network.config.hidden_size)


@dataclass(frozen=True)
class Pairs:
    """n pairs as a model reads them."""

    texts: list[str]  # n hashes
    said: list[tuple[str, str]]
    read: list[tuple[list[int], list[int]]]  # token ids of both sides, special ones too, cut to what the model takes
    kept: list[tuple[Ints, Ints]]  # which of them give vectors: equally many on both sides
    truncated: int  # texts longer than the model's positions: their beginning is encoded

    @property
    def tokens(self) -> int:
        return sum(len(side) for pair in self.read for side in pair)


@lru_cache(maxsize=1)
def load_token_model(folder: Path, fingerprint: str) -> TokenModel:
    """The network below the head of a language model, or below the pooling of a sentence model, in float32.

    fingerprint: of the folder's content. A run's shards are encoded by a model that is loaded once.
    Raises InputError for a model that does not load or reads no tokens.
    """
    if is_language_model(folder):
        network = load_states_model(folder)
        network.config.use_cache = False
        return TokenModel(network, load_tokenizer(folder), context_length(network), folder)
    from tasks.sentences import load_sentence_model  # its library takes seconds to load

    model = load_sentence_model(folder)
    network = getattr(model[0], "model", None)
    if not isinstance(network, PreTrainedModel) or not isinstance(model.tokenizer, PreTrainedTokenizerBase):
        raise InputError(
            f"{folder} holds a sentence model without a transformer, so it has no token vectors. Give minilm, or the "
            "folder of a causal language model."
        )
    longest = model.max_seq_length or context_length(network)
    return TokenModel(network.float().eval(), model.tokenizer, longest, folder)


def read_sides(table: pl.DataFrame, model: TokenModel) -> Pairs:
    """Pairs as the model reads them. table: text (the hash), prompt (nl), assistant (lean).

    Raises InputError for a text without tokens of its own, or with tokens that the model does not know.
    """
    said = list(table.select("prompt", "assistant").iter_rows())
    nl, nl_cut = _tokenized([text for text, _ in said], model)
    lean, lean_cut = _tokenized([text for _, text in said], model)
    read, kept = [], []
    for (left, own_left), (right, own_right) in zip(nl, lean, strict=True):
        n = min(len(own_left), len(own_right))
        read.append((left, right))
        kept.append((spread(own_left, n), spread(own_right, n)))
    return Pairs(table["text"].to_list(), said, read, kept, nl_cut + lean_cut)


def spread(positions: Ints, n: int) -> Ints:
    """n of the positions, evenly over all of them: the middle of each of n equal stretches."""
    return positions[(2 * np.arange(n) + 1) * len(positions) // (2 * n)]


def token_vectors(
    pairs: Pairs, model: TokenModel, encoding: TokenEncoding, show: Callable[[float], None]
) -> Iterator[tuple[Tokens, Tokens]]:
    """Token vectors of nl and lean, by the hashes, in order. show: called with the share done.

    Texts in a batch have one length, so nothing is padded and no vector depends on its batch.
    Raises InputError for a layer that the model has not, and for a vector that is not finite in the encoding's numbers.
    """
    sizes = np.array([len(nl) for nl, _ in pairs.kept], dtype=np.int64)
    block = np.cumsum(2 * sizes * model.dim) // NUMBERS
    done = 0

    def step(tokens: int) -> None:
        nonlocal done
        done += tokens
        show(done / max(1, pairs.tokens))

    for rows in np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(block)) + 1):
        read = [pairs.read[row][side] for side in (0, 1) for row in rows]
        kept = [pairs.kept[row][side] for side in (0, 1) for row in rows]
        vectors = _states(read, kept, model, encoding, step)
        half = len(vectors) // 2
        names = [pairs.texts[row] for row in rows]
        both = Tokens(names, sizes[rows], vectors[:half]), Tokens(names, sizes[rows], vectors[half:])
        for side, tokens in enumerate(both):
            if (wrong := first_beyond(tokens, encoding.token_dtype)) is not None:
                raise InputError(
                    f"{model.folder} gives {pairs.said[rows[wrong]][side][:40]!r} a vector that {encoding.token_dtype} "
                    "cannot hold. Leave that row out, or choose another model, layer or token-dtype."
                )
        yield both


def _tokenized(texts: list[str], model: TokenModel) -> tuple[list[tuple[list[int], Ints]], int]:
    """Of each text the token ids and the places of those that are its own; and how many texts were cut."""
    known = len(model.network.get_input_embeddings().weight)
    whole = model.tokenizer(texts, verbose=False)["input_ids"]
    cut = model.tokenizer(texts, truncation=True, max_length=model.longest, return_special_tokens_mask=True)
    found = []
    for text, ids, special in zip(texts, cut["input_ids"], cut["special_tokens_mask"], strict=True):
        own = np.flatnonzero(np.array(special, dtype=np.int64) == 0)
        if not len(own):
            raise InputError(
                f"the text {text[:40]!r} has no tokens in the vocabulary of {model.folder}, so it has no vectors. Drop "
                "its row, or choose another encoder."
            )
        require_known(ids, known, model.folder)
        found.append((ids, own))
    return found, sum(len(ids) > model.longest for ids in whole)


def _states(
    read: list[list[int]], kept: list[Ints], model: TokenModel, encoding: TokenEncoding, step: Callable[[int], None]
) -> Floats:
    """States of the tokens that are kept, one text after the other, [sum of kept, D]."""
    ends = np.cumsum([len(places) for places in kept])
    vectors: Floats = np.empty((int(ends[-1]), model.dim), dtype=np.float32)
    lengths = np.array([len(ids) for ids in read], dtype=np.int64)
    with torch.inference_mode():
        for rows in equal_length_batches(lengths, encoding.batch_tokens):
            ids = torch.tensor([read[row] for row in rows], device=model.network.device)
            states = _layer(model, ids, encoding.layer).float().cpu().numpy()
            for row, found in zip(rows, states, strict=True):
                vectors[ends[row] - len(kept[row]) : ends[row]] = found[kept[row]]
            step(int(lengths[rows].sum()))
    return vectors


def _layer(model: TokenModel, ids: torch.Tensor, layer: int | None) -> torch.Tensor:
    """[batch, tokens, D]; of the last layer what the model's head reads, which many models normalise once more."""
    if layer is None:
        return model.network(input_ids=ids).last_hidden_state
    states = model.network(input_ids=ids, output_hidden_states=True).hidden_states
    if layer >= len(states):
        raise InputError(
            f"--layer {layer}: {model.folder} has the hidden layers 0 (the embeddings) to {len(states) - 1}, the "
            "last. Choose one of them."
        )
    return states[layer]
