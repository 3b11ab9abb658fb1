"""How far a policy has moved from the model that it began as, on what it says to held-out prompts."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.prompting import prompt_ids

LOGITS = 2**22
"""Of a batch at most, for each of the two models."""


@torch.inference_mode()
def divergences(
    policy: PreTrainedModel,
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[Sequence[int]],
    temperature: float,
) -> NDArray[np.float64]:
    """KL(policy ‖ base) of each answer that the policy sampled at a temperature, [n], in nats.

    answers: tokens.  The sum over an answer's tokens of the divergence between the two next-token distributions: its
    mean is that of the sampled log-ratios, with less variance and never below 0 (Amini et al. 2025, arXiv 2504.10637).
    """
    policy.eval()
    base.eval()
    asked = [prompt_ids(prompt, tokenizer) for prompt in prompts]
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(asked, answers, strict=True)]
    order = sorted(range(len(prompts)), key=lambda i: lengths[i])
    found = np.zeros(len(prompts))
    while order:
        width = lengths[order[-1]]
        rows = max(1, LOGITS // (width * policy.config.vocab_size))
        batch = [order.pop() for _ in range(min(len(order), rows))]
        sequences = {"input_ids": [[*asked[i], *answers[i]] for i in batch]}
        padded = tokenizer.pad(sequences, padding_side="right", return_tensors="pt").to(policy.device)
        own, before = (
            torch.log_softmax(model(**padded).logits[:, :-1].float() / temperature, dim=-1) for model in (policy, base)
        )
        by_token = (own.exp() * (own - before)).sum(dim=-1)
        at = torch.arange(1, width, device=policy.device)
        first = torch.tensor([[len(asked[i])] for i in batch], device=policy.device)
        last = torch.tensor([[lengths[i]] for i in batch], device=policy.device)
        found[batch] = (by_token * ((at >= first) & (at < last))).sum(dim=1).double().cpu().numpy()
    return found
