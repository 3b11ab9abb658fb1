"""A reducer that writes: a small Llama over the characters of a term and of its next one.

term SEPARATOR next term END        SEPARATOR and then END says: normal form
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from tasks.reducer.answers import NO_TERM, Answer
from tasks.reducer.characters import END, PADDING, SEPARATOR, VOCABULARY, Ints, decoded, numbers

POSITIONS = 4096
IGNORED = -100
LONGER = 3
"""Times its term's characters, and some more, that an answer may have: a step of a corpus adds fewer."""


class CausalReducer(nn.Module):
    """See the module."""

    def __init__(self, network: LlamaForCausalLM) -> None:
        super().__init__()
        self.network = network

    def tensors(self, rows: pl.DataFrame) -> tuple[torch.Tensor, ...]:
        """ids and labels, [n, T], of rows with term and next_term."""
        terms, answers = rows["term"].to_list(), rows["next_term"].fill_null("").to_list()
        sequences = [_sequence(term, answer) for term, answer in zip(terms, answers, strict=True)]
        ids = np.full((len(sequences), max(map(len, sequences))), PADDING)
        labels = np.full_like(ids, IGNORED)
        for row, (term, sequence) in enumerate(zip(terms, sequences, strict=True)):
            ids[row, : len(sequence)] = sequence
            labels[row, len(term) + 1 : len(sequence)] = sequence[len(term) + 1 :]
        return torch.from_numpy(ids), torch.from_numpy(labels)

    def forward(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the characters of next terms, each row by its own mean."""
        logits = self.network(ids.to(self.network.device)).logits[:, :-1]
        wanted = labels[:, 1:].to(logits.device)
        losses = nn.functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="none")
        counted = (wanted != IGNORED).sum(dim=1)
        return (losses.view_as(wanted).sum(dim=1) / counted).mean()

    @torch.inference_mode()
    def right(self, rows: pl.DataFrame) -> list[bool]:
        """Whether each row's next term is what is answered to its term.

        It is where each of its characters is the likeliest after the right ones, which one pass tells.
        """
        ids, labels = self.tensors(rows)
        likeliest = self.network(ids.to(self.network.device)).logits[:, :-1].argmax(dim=-1).cpu()
        wanted = labels[:, 1:]
        return ((likeliest == wanted) | (wanted == IGNORED)).all(dim=1).tolist()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def answers(self, terms: Sequence[str]) -> list[Answer]:
        """One step of each term, the likeliest character after the other. Confidence is the answer's probability."""
        longest = max(map(len, terms)) + 1
        ids = torch.full((len(terms), longest), PADDING)
        held = torch.zeros_like(ids)
        for row, term in enumerate(terms):
            ids[row, longest - len(term) - 1 :] = torch.from_numpy(np.append(numbers(term), SEPARATOR))
            held[row, longest - len(term) - 1 :] = 1
        made = self.network.generate(
            ids.to(self.network.device),
            attention_mask=held.to(self.network.device),
            max_new_tokens=max(1, min(LONGER * longest, POSITIONS - longest)),
            do_sample=False,
            eos_token_id=END,
            pad_token_id=PADDING,
            output_logits=True,
            return_dict_in_generate=True,
        )
        said = made.sequences[:, longest:].cpu()
        sure = torch.stack([step.float().log_softmax(dim=-1).amax(dim=-1) for step in made.logits], dim=1).cpu()
        ended = (said == END).cumsum(dim=1)
        sure = (sure * (ended - (said == END).long() == 0)).sum(dim=1).exp()
        return [_answer(row.numpy(), float(one)) for row, one in zip(said, sure, strict=True)]


def new_network(width: int, layers: int) -> LlamaForCausalLM:
    """A Llama of this shape with random weights."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=width // 16,
            num_key_value_heads=width // 16,
            max_position_embeddings=POSITIONS,
            tie_word_embeddings=True,
            pad_token_id=PADDING,
            bos_token_id=SEPARATOR,
            eos_token_id=END,
        )
    )


def _sequence(term: str, answer: str) -> Ints:
    return np.concatenate([numbers(term), [SEPARATOR], numbers(answer), [END]])


def _answer(ids: Ints, confidence: float) -> Answer:
    """Of what was written, [T]: up to END; what never ended, or holds another separator, is no term."""
    ends = np.flatnonzero(ids == END)
    if not len(ends) or (ids[: ends[0]] == SEPARATOR).any() or (ids[: ends[0]] == PADDING).any():
        return Answer(NO_TERM, confidence)
    return Answer(decoded(ids[: ends[0]]) or None, confidence)
