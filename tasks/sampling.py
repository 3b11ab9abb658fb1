"""Sample completions of prompts from a causal language model."""

from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.prompting import prompt_ids


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
    progress: Callable[[float], None] = lambda share: None,
) -> list[list[str]]:
    """k completions of each prompt at a temperature, without top-k or top-p cuts.

    Returns [len(prompts)][k] texts without special tokens. Prompts are sorted by length into batches of
    about batch_rows rows; the same arguments give the same texts on one machine.
    """
    model.eval()
    torch.manual_seed(seed)
    encoded = [prompt_ids(prompt, tokenizer) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda i: (len(encoded[i]), i))
    texts: list[list[str]] = [[] for _ in prompts]
    step = max(1, batch_rows // k)
    for start in range(0, len(order), step):
        batch = order[start : start + step]
        padded = tokenizer.pad({"input_ids": [encoded[i] for i in batch]}, padding_side="left", return_tensors="pt")
        made = model.generate(
            **padded.to(model.device),
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=1.0,
            num_return_sequences=k,
            max_new_tokens=max_new_tokens,
            pad_token_id=tokenizer.pad_token_id,
        )
        answers = tokenizer.batch_decode(made[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
        for row, i in enumerate(batch):
            texts[i] = [answer.strip() for answer in answers[row * k : (row + 1) * k]]
        progress((start + len(batch)) / len(order))
    return texts
