"""Writers of each backend: trained, kept in a folder, and read back."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from tasks.cpu import cpu_has_bfloat16
from tasks.errors import InputError, first_line
from tasks.models import context_length, load_language_model, load_tokenizer
from tasks.scratch import small_llama, train_tokenizer
from tasks.sealed_folders import fill, load_folder, save_folder, weights_of
from tasks.tables import Floats
from tasks.text_map.edit import EditProposer
from tasks.text_map.loop import train
from tasks.text_map.params import WritingParams
from tasks.text_map.search import Proposer
from tasks.text_map.speak import SpokenProposer
from tasks.text_map.writer import Speaker, Writer, padded

FORM = "katflow-vec2text-1"
TOKENIZER = "tokenizer.json"
HEADS = 4
BAG_RATE, RATE, RATE_OF_TRAINED = 2e-3, 1e-3, 3e-4
SHORTEST = 4
"""Tokens of a text that a model must have room for."""
BAG_EPOCHS = 2
SPECIAL = ("pad_token", "eos_token", "unk_token", "bos_token")


def learn(
    texts: Sequence[str],
    emb: Floats,
    params: WritingParams,
    model: Path | None,
    work: Path | None,
    show: Callable[[float], None],
) -> Speaker:
    """Train a writer of the n texts for their unit vectors [n, D]. It writes none that is longer than all of these.

    model: for backend hf, the folder of a causal or encoder-decoder model.  work: folder for checkpoints.
    """
    tokenizer = load_tokenizer(model) if model else train_tokenizer(texts, params.vocabulary)
    network = load_language_model(model) if model else _small(tokenizer, params)
    end = int(tokenizer.eos_token_id)
    longest = min(params.max_length, context_length(network) - params.pseudo_tokens)
    if longest < SHORTEST:
        raise InputError(
            f"{model} has {context_length(network)} positions, of which {params.pseudo_tokens} are for the embedding: "
            "there is no room for a text. Take a model with more."
        )
    read = tokenizer(list(texts), truncation=True, max_length=longest - 1, add_special_tokens=False)["input_ids"]
    ids, lengths = padded([[*one, end] for one in read], end)
    with torch.random.fork_rng():
        torch.manual_seed(params.seed)
        writer = Writer(network, emb.shape[1], params.pseudo_tokens)
    x = torch.from_numpy(emb)
    whole = BAG_EPOCHS + params.epochs

    def phase(name: str, module: nn.Module, loss_of: Callable[..., Any], epochs: int, rate: float, before: int) -> None:
        def loss(rows: torch.Tensor) -> torch.Tensor:
            some = int(lengths[rows].max())
            with torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bfloat16()):
                return loss_of(x[rows], ids[rows, :some], lengths[rows])

        train(
            module,
            loss,
            len(ids),
            batch=params.batch_size,
            epochs=epochs,
            rate=rate,
            seed=params.seed,
            lengths=lengths,
            checkpoint=work / f"{name}.safetensors" if work else None,
            identity=json.dumps([name, params.identity(), list(ids.shape), emb.shape[1], cpu_has_bfloat16()]),
            show=lambda share: show((before + share * epochs) / whole),
        )

    phase("bag", writer.bag, writer.bag_loss, BAG_EPOCHS, BAG_RATE, 0)
    phase("writer", writer, writer.loss, params.epochs, RATE_OF_TRAINED if model else RATE, BAG_EPOCHS)
    return Speaker(writer, tokenizer, int(lengths.max()))


def save_writer(folder: Path, speaker: Speaker, told: dict[str, Any]) -> None:
    """config.json, model.safetensors, tokenizer.json. told: what else config.json says, such as the embedder."""
    tokenizer = speaker.tokenizer
    config = {
        **told,
        "pseudo_tokens": speaker.writer.pseudo_tokens,
        "dim": speaker.writer.bag.in_features,
        "max_length": speaker.max_length,
        "network": json.loads(speaker.writer.network.config.to_json_string(use_diff=False)),
        "special_tokens": {name: getattr(tokenizer, name) for name in SPECIAL if getattr(tokenizer, name) is not None},
    }
    texts = {TOKENIZER: tokenizer.backend_tokenizer.to_str()}
    save_folder(folder, FORM, config, {"model.safetensors": weights_of(speaker.writer)}, texts)


def save_editor(folder: Path, texts: Sequence[str], emb: Floats, told: dict[str, Any]) -> None:
    """config.json, model.safetensors (the texts' vectors), texts.json."""
    weights = {"model.safetensors": {"emb": torch.from_numpy(emb)}}
    save_folder(folder, FORM, {**told, "dim": emb.shape[1]}, weights, {"texts.json": json.dumps(list(texts))})


def load_writer(folder: Path) -> tuple[Proposer, dict[str, Any]]:
    """What proposes texts, and the config. Raises InputError where the folder holds no whole writer."""
    config, weights = load_folder(folder, FORM)
    tensors = weights.get("model.safetensors", {})
    try:
        if config["backend"] == "retrieve_edit":
            return EditProposer(json.loads((folder / "texts.json").read_text()), tensors["emb"].numpy()), config
        network = _network(config["network"])
        writer = Writer(network, config["dim"], config["pseudo_tokens"])
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_file(str(folder / TOKENIZER)),
            clean_up_tokenization_spaces=False,
            **config["special_tokens"],
        )
    except Exception as error:  # transformers and tokenizers raise many kinds for a damaged folder
        raise InputError(
            f"{folder} holds no writer that loads ({first_line(error)}). Copy the whole folder again."
        ) from None
    fill(writer, tensors, folder)
    return SpokenProposer(Speaker(writer, tokenizer, config["max_length"])), config


def _small(tokenizer: PreTrainedTokenizerBase, params: WritingParams) -> PreTrainedModel:
    return small_llama(
        tokenizer,
        hidden=params.hidden,
        layers=params.layers,
        heads=HEADS,
        positions=params.max_length + params.pseudo_tokens + 1,
        seed=params.seed,
    )


def _network(described: dict[str, Any]) -> PreTrainedModel:
    """A network of random weights of a described shape; no code comes with it."""
    config = AutoConfig.for_model(**described)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return kind.from_config(config)
