"""Vectors from a causal language model: the mean of its last hidden states over a text's tokens."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.batches import equal_length_batches
from tasks.errors import InputError
from tasks.models import context_length, load_causal_lm, load_tokenizer
from tasks.prompting import turns_ids
from tasks.runtime import device
from tasks.tables import Floats


def load_states_model(folder: Path) -> PreTrainedModel:
    """The network below a causal language model's head, in float32, on the first GPU or the CPU."""
    model: PreTrainedModel = load_causal_lm(folder).base_model.to(device()).eval()
    return model


def tokenize(folder: Path, said: list[list[str]], model: PreTrainedModel) -> tuple[list[list[int]], int]:
    """Token ids of each text, cut to the model's positions, and the number of texts that were cut.

    said: a prompt, or a prompt and its answer. Where the tokenizer has a chat template they are turns of it, else
    lines. Raises InputError for a text without tokens or with tokens that the model does not know.
    """
    limit = context_length(model)
    known = len(model.get_input_embeddings().weight)
    tokenizer = load_tokenizer(folder)
    tokens = [turns_ids(turns, tokenizer) for turns in said]
    for turns, found in zip(said, tokens, strict=True):
        if not found:
            raise InputError(
                f"the text {turns[0][:40]!r} has no tokens in the vocabulary of {folder}, so it has no vector. "
                "Drop it, or choose another encoder."
            )
        require_known(found, known, folder)
    return [found[:limit] for found in tokens], sum(len(found) > limit for found in tokens)


def require_known(tokens: list[int], known: int, folder: Path) -> None:
    """Raise InputError for tokens that a model with so many embeddings does not know."""
    if max(tokens) >= known:
        raise InputError(
            f"{folder}: its tokenizer gives token {max(tokens)}, but the model has {known} only. "
            "Tokenizer and model are not of one training; save them together."
        )


def mean_states(
    model: PreTrainedModel, tokens: list[list[int]], *, batch_tokens: int, show: Callable[[float], None]
) -> Floats:
    """Mean of the last hidden states over each text's own tokens.

    tokens: n lists of token ids, none empty.  batch_tokens: tokens a batch; changes no vector.
    Returns [n, D] float32, in the order given. Texts in a batch have one length, so there is no padding.
    """
    lengths = np.array([len(found) for found in tokens], dtype=np.int64)
    emb: Floats = np.empty((len(tokens), model.config.hidden_size), dtype=np.float32)
    done = 0
    with torch.inference_mode():
        for rows in equal_length_batches(lengths, batch_tokens):
            ids = torch.tensor([tokens[row] for row in rows], device=model.device)
            emb[rows] = model(input_ids=ids, use_cache=False).last_hidden_state.float().mean(dim=1).cpu().numpy()
            done += int(lengths[rows].sum())
            show(done / int(lengths.sum()))
    return emb
