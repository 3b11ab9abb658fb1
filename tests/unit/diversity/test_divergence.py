"""The divergence of a policy from the model that it began as, against sampling and by hand."""

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from tasks.diversity.divergence import divergences
from tasks.prompting import prompt_ids
from tasks.sampling import sample_completions
from tasks.scratch import small_llama, train_tokenizer

TOKENIZER = train_tokenizer(["a prompt", "normal form"] * 9, 300)


def model(seed: int) -> LlamaForCausalLM:
    """A small model with opinions."""
    made = small_llama(TOKENIZER, hidden=32, layers=1, heads=2, positions=64, seed=seed)
    with torch.no_grad():
        made.lm_head.weight.mul_(20)
    return made


POLICY, BASE = model(0), model(1)


def log_ratio(prompt: str, answer: list[int], temperature: float) -> float:
    """log of how much likelier an answer is to the policy than to the base."""
    asked = prompt_ids(prompt, TOKENIZER)
    ids = torch.tensor([asked + answer])
    with torch.inference_mode():
        own, before = (
            torch.log_softmax(one(input_ids=ids).logits[0, :-1] / temperature, -1).gather(1, ids[0, 1:, None])
            for one in (POLICY, BASE)
        )
    return float((own - before)[len(asked) - 1 :].sum())


def test_its_mean_is_that_of_the_log_ratios_of_what_was_sampled_with_less_noise() -> None:
    said = sample_completions(POLICY, TOKENIZER, ["a prompt"], k=600, max_new_tokens=4, temperature=0.8, seed=0)[0]
    answers = [one.tokens for one in said]
    found = divergences(POLICY, BASE, TOKENIZER, ["a prompt"] * 600, answers, 0.8)
    ratios = np.array([log_ratio("a prompt", answer, 0.8) for answer in answers])
    assert (found > 0).all()
    assert abs(found.mean() - ratios.mean()) < 4 * ratios.std() / np.sqrt(600)
    assert found.std() < ratios.std()


def test_an_answer_alone_has_the_divergence_that_it_has_among_others_and_a_model_none_from_itself() -> None:
    prompts, answers = ["a", "a longer prompt", "normal form"], [[5, 6, 7], [8], [9, 10]]
    together = divergences(POLICY, BASE, TOKENIZER, prompts, answers, 1.0)
    alone = [divergences(POLICY, BASE, TOKENIZER, [p], [a], 1.0)[0] for p, a in zip(prompts, answers, strict=True)]
    assert together == pytest.approx(alone, rel=1e-4)
    assert divergences(POLICY, POLICY, TOKENIZER, prompts, answers, 1.0) == pytest.approx(0, abs=1e-6)
