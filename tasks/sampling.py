"""Sample completions of prompts from a causal language model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from tasks.prompting import prompt_ids


@dataclass(frozen=True)
class Completion:
    """What a model said: text without special tokens, tokens to the end token, and whether that came or it was cut."""

    text: str
    tokens: list[int]
    ended: bool


@torch.inference_mode()
def sample_completions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    k: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    seed: int = 0,
    batch_rows: int = 256,
    batch_tokens: int = 65_536,
    progress: Callable[[float], None] = lambda share: None,
) -> list[list[Completion]]:
    """k completions of each prompt at a temperature, without top-k or top-p cuts, to the tokenizer's end token.

    A folder's own generation_config (penalties, cuts, other end tokens) does not count, as it does not in training.

    Returns [len(prompts)][k]. Prompts are sorted by length into batches of at most batch_rows rows and batch_tokens
    padded tokens, but one prompt at least; the same arguments give the same completions on one machine.
    """
    model.eval()
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=temperature,
        top_k=0,
        top_p=1.0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    encoded = [prompt_ids(prompt, tokenizer) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda i: (len(encoded[i]), i))
    completions: list[list[Completion]] = [[] for _ in prompts]
    done = 0
    while done < len(order):
        longest = [len(encoded[i]) + max_new_tokens for i in order[done : done + max(1, batch_rows // k)]]
        batch = order[done : done + max(1, sum(k * n * length <= batch_tokens for n, length in enumerate(longest, 1)))]
        padded = tokenizer.pad({"input_ids": [encoded[i] for i in batch]}, padding_side="left", return_tensors="pt")
        made = model.generate(**padded.to(model.device), num_return_sequences=k, max_new_tokens=max_new_tokens)
        answers = made[:, padded["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
        said = [
            _completion(text.strip(), tokens, tokenizer.eos_token_id)
            for text, tokens in zip(texts, answers.tolist(), strict=True)
        ]
        for row, i in enumerate(batch):
            completions[i] = said[row * k : (row + 1) * k]
        done += len(batch)
        progress(done / len(order))
    return completions


def _completion(text: str, tokens: list[int], end: int) -> Completion:
    ended = end in tokens
    return Completion(text, tokens[: tokens.index(end) + 1] if ended else tokens, ended)
