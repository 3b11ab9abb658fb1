"""What a reward model gives to answers."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.prompting import answered_ids, prompt_ids


def score_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[str],
    ended: Sequence[bool] | None = None,
) -> NDArray[np.float64]:
    """Scores [n] of answers. Those that ended (default: all) end as in training, the others where they were cut."""
    sequences = [
        answered_ids(prompt, answer, tokenizer)
        if whole
        else prompt_ids(prompt, tokenizer) + tokenizer(answer, add_special_tokens=False)["input_ids"]
        for prompt, answer, whole in zip(prompts, answers, ended or [True] * len(answers), strict=True)
    ]
    return score_tokens(model, tokenizer, sequences)


@torch.inference_mode()
def score_tokens(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sequences: Sequence[Sequence[int]],
    batch_tokens: int = 8192,
) -> NDArray[np.float64]:
    """Scores [n], dimensionless, of token sequences of prompt and answer; batches by length and token budget."""
    model.eval()
    scores = np.empty(len(sequences))
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    while order:
        width = len(sequences[order[-1]])
        batch = [order.pop() for _ in range(min(len(order), max(1, batch_tokens // width)))]
        padded = tokenizer.pad(
            {"input_ids": [list(sequences[i]) for i in batch]}, padding_side="right", return_tensors="pt"
        )
        scores[batch] = model(**padded.to(model.device)).logits[:, 0].double().cpu().numpy()
    return scores
