"""Vectors from a causal language model: the mean of its last hidden states over a text's tokens."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.batches import token_budget_batches
from tasks.embed.vectors import Floats
from tasks.errors import InputError
from tasks.models import context_length, load_causal_lm, load_tokenizer
from tasks.runtime import device


def load_states_model(folder: Path) -> PreTrainedModel:
    """The network below a causal language model's head, in float32, on the first GPU or the CPU."""
    model: PreTrainedModel = load_causal_lm(folder).base_model.to(device()).eval()
    return model


def tokenize(folder: Path, ids: list[str], texts: list[str], model: PreTrainedModel) -> tuple[list[list[int]], int]:
    """Token ids of each text, cut to the model's positions, and the number of texts that were cut.

    Raises InputError, with the row's id, for a text without tokens or with tokens that the model does not know.
    """
    limit = context_length(model)
    known = len(model.get_input_embeddings().weight)
    tokenizer = load_tokenizer(folder)
    tokens: list[list[int]] = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    for name, text, found in zip(ids, texts, tokens, strict=True):
        if not found:
            raise InputError(
                f"prompt {name}: its text {text[:40]!r} has no tokens in the vocabulary of {folder}, so it has no "
                "vector. Drop it, or choose another --embed.encoder."
            )
        if max(found) >= known:
            raise InputError(
                f"{folder}: its tokenizer gives token {max(found)}, but the model has {known} only. "
                "Tokenizer and model are not of one training; save them together."
            )
    return [found[:limit] for found in tokens], sum(len(found) > limit for found in tokens)


def mean_states(
    model: PreTrainedModel, tokens: list[list[int]], *, batch_tokens: int, show: Callable[[float], None]
) -> Floats:
    """Mean of the last hidden states over each text's own tokens.

    tokens: n lists of token ids, none empty.  batch_tokens: padded tokens a batch; changes no vector.
    Returns [n, D] float32, in the order given. Padding stands on the right and is masked, so no vector depends on it.
    """
    lengths = np.array([len(found) for found in tokens], dtype=np.int64)
    emb: Floats = np.empty((len(tokens), model.config.hidden_size), dtype=np.float32)
    done = 0
    with torch.inference_mode():
        for rows in token_budget_batches(lengths, batch_tokens):
            emb[rows] = _batch_means(model, [tokens[row] for row in rows]).cpu().numpy()
            done += int(lengths[rows].sum())
            show(done / int(lengths.sum()))
    return emb


def _batch_means(model: PreTrainedModel, tokens: list[list[int]]) -> torch.Tensor:
    """[b, D] means of a batch."""
    longest = max(map(len, tokens))
    padded = torch.zeros(len(tokens), longest, dtype=torch.long)
    mask = torch.zeros(len(tokens), longest, dtype=torch.long)
    for row, found in enumerate(tokens):
        padded[row, : len(found)] = torch.tensor(found)
        mask[row, : len(found)] = 1
    padded, mask = padded.to(model.device), mask.to(model.device)
    states = model(input_ids=padded, attention_mask=mask, use_cache=False).last_hidden_state.float()
    means: torch.Tensor = states.masked_fill(~mask.unsqueeze(-1).bool(), 0.0).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    return means
