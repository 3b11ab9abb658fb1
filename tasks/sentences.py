"""Vectors from a sentence-transformers model, as its own `encode` gives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from tasks.batches import Ints, equal_length_batches
from tasks.errors import InputError, first_line
from tasks.model_folders import is_language_model
from tasks.runtime import device
from tasks.tables import Floats
from tasks.vectors import unit

TEXTS_TO_COUNT = 256
logging.disable_progress_bar()


def load_sentence_model(folder: Path) -> SentenceTransformer:
    """A model from its folder alone: nothing is fetched, nothing pickled is read, no code of the folder runs."""
    refuse_pickled_weights(folder)
    _refuse_language_models(folder)
    try:
        return SentenceTransformer(
            str(folder),
            device=str(device()),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as error:  # transformers, safetensors and json raise many kinds for a damaged folder
        raise InputError(
            f"{folder} holds no sentence-transformers model that loads ({first_line(error)}). Give another folder "
            "as encoder, minilm or policy."
        ) from error


def compute_in_bfloat16(model: SentenceTransformer) -> None:
    """Let the network compute in bfloat16; what pools and normalises its states stays in float32."""

    def as_float32(module: Any, given: Any, features: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value.float() if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16 else value
            for name, value in features.items()
        }

    model[0].to(torch.bfloat16)
    model[0].register_forward_hook(as_float32)


def sentence_vectors(
    model: SentenceTransformer, texts: list[str], lengths: Ints, *, batch_tokens: int, show: Callable[[float], None]
) -> Floats:
    """Vectors as the model's own `encode` gives them; of which models only some give them length 1.

    lengths: [n] tokens that the model reads of each text: those in one batch have the same.
    Returns [n, D] float32, in the order given.
    """
    emb: Floats | None = None
    done = 0
    for rows in equal_length_batches(lengths, batch_tokens):
        vectors = model.encode(
            [texts[row] for row in rows],
            batch_size=len(rows),
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        if emb is None:
            emb = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
        emb[rows] = vectors
        done += int(lengths[rows].sum())
        show(done / max(1, int(lengths.sum())))
    return np.empty((0, 0), dtype=np.float32) if emb is None else emb


def encode_sentences(
    folder: Path, texts: list[str], *, batch_tokens: int = 2048, show: Callable[[float], None] = lambda share: None
) -> Floats:
    """Unit vectors [n, D] of texts by the model in a folder."""
    model = load_sentence_model(folder)
    lengths, _ = token_counts(model, texts)
    return unit(sentence_vectors(model, texts, lengths, batch_tokens=batch_tokens, show=show))


def token_counts(model: SentenceTransformer, texts: list[str]) -> tuple[Ints, int]:
    """Tokens that the model reads of each text, [n], special ones and cut as it does; and how many texts it cuts.

    Characters, and none, where the model reads no tokens.
    """
    tokenizer: Any = model.tokenizer
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return np.array([len(text) for text in texts], dtype=np.int64), 0
    read = [
        int(length)
        for start in range(0, len(texts), TEXTS_TO_COUNT)
        for length in model.preprocess(texts[start : start + TEXTS_TO_COUNT])["attention_mask"].sum(dim=1)
    ]
    whole = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    longest = model.max_seq_length or np.inf
    return np.array(read, dtype=np.int64), sum(len(found) > longest for found in whole)


def _refuse_language_models(folder: Path) -> None:
    """Raise InputError for a chat or completion model: its states are no sentence vectors, and turns would be lost."""
    if is_language_model(folder):
        raise InputError(
            f"{folder} holds a language model, not a sentence-transformers model. Its states can be embedded, by its "
            f"chat template where it has one: encoder policy, ckpt-source grpo, grpo-model {folder}."
        )


def refuse_pickled_weights(folder: Path) -> None:
    """Raise InputError where a part of a model has weights only in a format that may run code on loading."""
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(pickled.parent.glob("*.safetensors")):
            raise InputError(
                f"{pickled} has no .safetensors beside it. A .bin file is a pickle and may run code when it loads, "
                "so it is not read: save the model with save_pretrained of a current transformers."
            )
