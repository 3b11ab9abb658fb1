"""A model that writes a text for an embedding: a language model that reads the embedding as a few pseudo-tokens.

Vec2Text's zero-step model (Morris et al. 2023, "Text Embeddings Reveal (Almost) As Much As Text", arXiv 2310.06816,
section 3) in small. Departure: a linear bag-of-words head says which tokens the text holds, and is added to the logits
of every step; at this scale it knows sooner than the decoder which words an embedding means.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

from tasks.errors import InputError
from tasks.tables import Floats

BATCH = 256
"""Texts that are written at once."""
SCORED = 16_000_000
"""Logits that are held at once where texts are scored."""
IGNORED = -100
"""Of torch's cross-entropy: a token that does not count."""


class Writer(nn.Module):
    """Pseudo-tokens and a bag of words for a causal or encoder-decoder model.

    dim: numbers of an embedding.
    """

    def __init__(self, network: PreTrainedModel, dim: int, pseudo_tokens: int) -> None:
        super().__init__()
        size = network.get_input_embeddings().embedding_dim
        network.set_attn_implementation("eager")  # a training step on CPUs takes a fifth less than with fused attention
        self.network = network
        self.pseudo_tokens = pseudo_tokens
        self.projection = nn.Sequential(
            nn.Linear(dim, 4 * size), nn.GELU(), nn.Linear(4 * size, pseudo_tokens * size), nn.Unflatten(1, (-1, size))
        )
        self.bag = nn.Linear(dim, network.get_input_embeddings().num_embeddings)
        self.start = start_token(network)

    @property
    def reads_first(self) -> bool:
        """Whether an encoder reads the pseudo-tokens; else they come before the text."""
        return bool(self.network.config.is_encoder_decoder)

    def logits(self, emb: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Of each token of ids [n, T] from those before it, [n, T, V]. emb: [n, D] unit vectors."""
        prefix = self.projection(_scaled(emb))
        if self.reads_first:
            start = ids.new_full((len(ids), 1), self.start)
            made = self.network(inputs_embeds=prefix, decoder_input_ids=torch.cat([start, ids[:, :-1]], dim=1)).logits
        else:
            said = self.network.get_input_embeddings()(ids[:, :-1])
            read, many = torch.cat([prefix, said], dim=1), ids.shape[1]
            made = self.network(inputs_embeds=read, logits_to_keep=many).logits[:, -many:]
        return made + self.bag(_scaled(emb))[:, None]

    def loss(self, emb: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of tokens. ids: [n, T], of which the first `lengths` [n] count."""
        wanted = ids.masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], IGNORED)
        return nn.functional.cross_entropy(self.logits(emb, ids).flatten(0, 1).float(), wanted.flatten())

    def bag_loss(self, emb: torch.Tensor, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Cross-entropy, a sum over the vocabulary, of whether each token is in the text: multi-label regression."""
        held = torch.arange(ids.shape[1]) < lengths[:, None]
        there = torch.zeros(len(ids), self.bag.out_features).scatter_reduce(1, ids, held.float(), "amax")
        losses = nn.functional.binary_cross_entropy_with_logits(self.bag(_scaled(emb)), there, reduction="none")
        return losses.sum(1).mean()


def start_token(network: PreTrainedModel) -> int:
    """With what a decoder that has an encoder begins: as its config says, else its padding; 0 of a causal model."""
    config = network.config
    if not config.is_encoder_decoder:
        return 0
    named = (getattr(config, name, None) for name in ("decoder_start_token_id", "pad_token_id"))
    found = next((token for token in named if token is not None), None)
    if found is None:
        raise InputError(
            "The model's config names neither decoder_start_token_id nor pad_token_id, so its decoder could not begin. "
            "Set one and save it again."
        )
    return int(found)


class Speaker:
    """A trained writer with its tokenizer: texts for embeddings, and how likely a text is."""

    def __init__(self, writer: Writer, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self.writer, self.tokenizer, self.max_length = writer.eval(), tokenizer, max_length

    def sampled(
        self,
        emb: Floats,
        begun: Sequence[Sequence[int]],
        *,
        temperature: float,
        top_k: int,
        seed: int,
        max_length: int | None = None,
    ) -> list[list[int]]:
        """Token ids of one text for each of [n, D] embeddings, that begin as given, drawn among the likeliest."""
        found: list[list[int]] = [[] for _ in begun]
        order = np.argsort([len(one) for one in begun], kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff([len(begun[row]) for row in order])) + 1) if len(order) else []
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for group in groups:
                for at in range(0, len(group), BATCH):
                    rows = group[at : at + BATCH]
                    made = self._generated(
                        emb[rows],
                        [begun[row] for row in rows],
                        max_length,
                        do_sample=True,
                        temperature=temperature,
                        top_k=top_k,
                    )
                    for row, ids in zip(rows, made, strict=True):
                        found[row] = [*begun[row], *ids]
        return found

    def beams(self, emb: Floats, num_beams: int, max_length: int | None = None) -> list[list[list[int]]]:
        """Token ids of the likeliest texts for each of [n, D] embeddings, as many as there are beams."""
        found: list[list[list[int]]] = []
        for at in range(0, len(emb), BATCH // num_beams + 1):
            some = emb[at : at + BATCH // num_beams + 1]
            made = self._generated(
                some,
                [[]] * len(some),
                max_length,
                do_sample=False,
                num_beams=num_beams,
                num_return_sequences=num_beams,
            )
            found += [made[row * num_beams : (row + 1) * num_beams] for row in range(len(some))]
        return found

    def likelihoods(self, emb: Floats, texts: Sequence[Sequence[int]]) -> Floats:
        """Mean log-probability of a token, [n], the end included, of texts given as token ids for [n, D]."""
        end = int(self.tokenizer.eos_token_id)
        found = np.zeros(len(texts), dtype=np.float32)
        longest = 1 + max((len(one) for one in texts), default=0)
        order = np.argsort([len(one) for one in texts], kind="stable")
        for rows in np.array_split(order, math.ceil(len(order) * longest * self.writer.bag.out_features / SCORED)):
            ids, lengths = padded([[*texts[row], end] for row in rows], end)
            with torch.inference_mode():
                logits = self.writer.logits(torch.from_numpy(emb[rows]), ids)
                said = logits.log_softmax(2).gather(2, ids[:, :, None])[:, :, 0]
                held = torch.arange(ids.shape[1]) < lengths[:, None]
                found[rows] = ((said * held).sum(1) / lengths).numpy()
        return found

    def text(self, ids: Sequence[int]) -> str:
        return " ".join(self.tokenizer.decode(ids, skip_special_tokens=True).split())

    def _generated(
        self, emb: Floats, begun: Sequence[Sequence[int]], max_length: int | None, **how: Any
    ) -> list[list[int]]:
        """New tokens, without the end. begun: all of one length."""
        longest = min(self.max_length, max_length or self.max_length)
        network, end = self.writer.network, int(self.tokenizer.eos_token_id)
        with torch.inference_mode():
            x = torch.from_numpy(emb)
            prefix = self.writer.projection(_scaled(x))
            bag = self.writer.bag(_scaled(x))
            said = torch.tensor([list(one) for one in begun], dtype=torch.long).reshape(len(begun), -1)
            if self.writer.reads_first:
                start = torch.full((len(x), 1), self.writer.start)
                given = {"inputs_embeds": prefix, "decoder_input_ids": torch.cat([start, said], dim=1)}
                skipped = 1 + said.shape[1]
            else:
                given = {"inputs_embeds": torch.cat([prefix, network.get_input_embeddings()(said)], dim=1)}
                skipped = 0
            made = network.generate(
                **given,
                attention_mask=torch.ones(given["inputs_embeds"].shape[:2], dtype=torch.long),
                max_new_tokens=max(1, longest - said.shape[1]),
                logits_processor=LogitsProcessorList([_Bag(bag)]),
                renormalize_logits=True,  # beams are compared by probabilities, which the bag's logits must be part of
                pad_token_id=end,
                eos_token_id=end,
                **how,
            )
        return [_until(row[skipped:].tolist(), end) for row in made]


class _Bag(LogitsProcessor):
    def __init__(self, bag: torch.Tensor) -> None:
        self.bag = bag

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores + self.bag.repeat_interleave(len(scores) // len(self.bag), dim=0)


def padded(texts: Sequence[Sequence[int]], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids as [n, T], and their lengths [n]."""
    lengths = torch.tensor([len(one) for one in texts])
    ids = torch.full((len(texts), int(lengths.max())), filler)
    for row, one in enumerate(texts):
        ids[row, : len(one)] = torch.tensor(one)
    return ids, lengths


def _scaled(emb: torch.Tensor) -> torch.Tensor:
    """Unit vectors in the size that layers expect of their inputs: mean square 1."""
    return emb * emb.shape[1] ** 0.5


def _until(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids
