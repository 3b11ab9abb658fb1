"""Hugging Face model folders: loaded from safetensors only, saved without anything pickled."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from tasks.errors import InputError, first_line

logging.set_verbosity_error()
logging.disable_progress_bar()


def load_causal_lm(folder: Path) -> PreTrainedModel:
    """A causal language model in float32. Raises InputError where the folder holds none in safetensors."""
    return _load(AutoModelForCausalLM, folder)


def load_language_model(folder: Path) -> PreTrainedModel:
    """A causal or encoder-decoder language model in float32, whichever the folder's config names."""
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # transformers raises many kinds for a damaged folder
        raise InputError(f"{folder} holds no model that loads ({first_line(error)}). Save it again.") from error
    return _load(AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM, folder)


def load_reward_model(folder: Path, **config: Any) -> PreTrainedModel:
    """A sequence classifier with one output. From a language model's folder the head is new."""
    return _load(AutoModelForSequenceClassification, folder, num_labels=1, **config)


def load_tokenizer(folder: Path, padding_side: str = "right") -> PreTrainedTokenizerBase:
    """The folder's tokenizer; where it has no padding token, the end of sequence stands in."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, padding_side=padding_side
        )
    except Exception as error:  # tokenizers raises plain Exceptions for a damaged file
        raise InputError(f"{folder} holds no tokenizer that loads ({first_line(error)}).") from error
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"The tokenizer of {folder} has no end-of-sequence token, so a model could not learn where an answer ends. "
            "Set its eos_token and save it again."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def save_model(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write config.json, model.safetensors and the tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _load(kind: Any, folder: Path, **options: Any) -> PreTrainedModel:
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} holds no .safetensors file. Other formats may run code when they load, so they are not read: "
            "save the model with save_pretrained of a current transformers."
        )
    try:
        return kind.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, dtype=torch.float32, **options
        )
    except Exception as error:  # transformers and safetensors raise many kinds for a damaged folder
        raise InputError(f"{folder} holds no model that loads ({first_line(error)}). Save it again.") from error


def longest_prompt(model: PreTrainedModel, max_prompt: int, max_completion: int) -> int:
    """Tokens of a prompt at most, so that prompt and completion fit the model's positions.

    Raises InputError where a completion alone would fill them.
    """
    longest = min(max_prompt, context_length(model) - max_completion)
    if longest < 1:
        raise InputError(
            f"Completions of {max_completion} tokens leave no room for a prompt among the model's "
            f"{context_length(model)} positions. Lower max_completion, or take a model with more positions."
        )
    return longest


def context_length(model: PreTrainedModel) -> int:
    """The number of positions the model was made for, in tokens."""
    return int(getattr(model.config, "max_position_embeddings", 0) or 1_000_000)
