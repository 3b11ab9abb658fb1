"""Scores and samples do not depend on how rows are batched."""

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, LlamaForSequenceClassification

from tasks.prompting import prompt_ids
from tasks.sampling import sample_completions
from tasks.scoring import score_answers, score_tokens
from tasks.scratch import small_llama, train_tokenizer

TOKENIZER = train_tokenizer([r"next step of (\.\.10)(\.0)", "normal form"] * 9, 300)
MODEL = small_llama(TOKENIZER, hidden=16, layers=2, heads=2, positions=64, seed=0)


@pytest.fixture(scope="module")
def judge() -> LlamaForSequenceClassification:
    torch.manual_seed(0)
    MODEL.config.num_labels = 1
    return LlamaForSequenceClassification(MODEL.config).eval()


def test_padding_never_changes_a_score(judge: LlamaForSequenceClassification) -> None:
    sequences = [[5] * n + [TOKENIZER.eos_token_id] for n in (1, 9, 3, 30, 2)]
    alone = [score_tokens(judge, TOKENIZER, [s])[0] for s in sequences]
    assert np.allclose(score_tokens(judge, TOKENIZER, sequences), alone, atol=1e-5)
    assert np.allclose(score_tokens(judge, TOKENIZER, sequences, batch_tokens=8), alone, atol=1e-5)


def test_an_answer_is_scored_at_its_end_token(judge: LlamaForSequenceClassification) -> None:
    ids = [*prompt_ids("p", TOKENIZER), *TOKENIZER("normal form")["input_ids"], TOKENIZER.eos_token_id]
    with torch.inference_mode():
        expected = float(judge(torch.tensor([ids])).logits[0, 0])
    assert score_answers(judge, TOKENIZER, ["p"], ["normal form"])[0] == pytest.approx(expected, abs=1e-5)


def test_a_cut_answer_is_scored_without_an_end_token(judge: LlamaForSequenceClassification) -> None:
    both = score_answers(judge, TOKENIZER, ["p", "p"], ["normal form"] * 2, ended=[True, False])
    cut = [*prompt_ids("p", TOKENIZER), *TOKENIZER("normal form")["input_ids"]]
    assert both[0] == pytest.approx(score_answers(judge, TOKENIZER, ["p"], ["normal form"])[0], abs=1e-5)
    assert both[1] == pytest.approx(score_tokens(judge, TOKENIZER, [cut])[0], abs=1e-5)
    assert both[0] != both[1]


def test_a_completion_knows_whether_it_ended() -> None:
    said = sample_completions(MODEL, TOKENIZER, ["a"], k=800, max_new_tokens=40, seed=0)[0]
    with torch.inference_mode():
        logits = MODEL(torch.tensor([prompt_ids("a", TOKENIZER)])).logits[0, -1]
    at_once = float(torch.softmax(logits, -1)[TOKENIZER.eos_token_id])
    assert np.mean([one.ended for one in said]) == pytest.approx(1 - (1 - at_once) ** 40, rel=0.3)


def test_samples_repeat_by_seed_and_stay_with_their_prompt() -> None:
    prompts = ["a", "much longer than the other", "b"]
    draw = lambda seed: sample_completions(MODEL, TOKENIZER, prompts, k=3, max_new_tokens=5, seed=seed)  # noqa: E731
    assert draw(0) == draw(0)
    assert draw(0) != draw(1)
    assert [len(of) for of in draw(0)] == [3, 3, 3]


def test_samples_follow_the_models_own_distribution() -> None:
    prompt = "a"
    with torch.inference_mode():
        logits = MODEL(torch.tensor([prompt_ids(prompt, TOKENIZER)])).logits[0, -1]
    expected = torch.softmax(logits, -1).numpy()
    drawn = [one.text for one in sample_completions(MODEL, TOKENIZER, [prompt], k=4000, max_new_tokens=1, seed=0)[0]]
    text = [TOKENIZER.decode([i], skip_special_tokens=True).strip() for i in range(len(expected))]
    by_text = {t: sum(p for p, u in zip(expected, text, strict=True) if u == t) for t in set(text)}
    off = [abs(drawn.count(t) / 4000 - p) for t, p in by_text.items()]
    assert max(off) < 0.03


def test_batches_stay_within_the_token_budget_and_every_prompt_is_answered() -> None:
    prompts = ["a " * n for n in (1, 20, 2, 9, 30)]
    shapes = []
    watched = MODEL.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    said = sample_completions(MODEL, TOKENIZER, prompts, k=3, max_new_tokens=2, batch_tokens=120, seed=0)
    watched.remove()
    assert [len(of) for of in said] == [3] * 5
    assert len({rows for rows, _ in shapes}) > 1
    longest = max(len(prompt_ids(prompt, TOKENIZER)) for prompt in prompts) + 2
    assert all(rows * width <= max(120, 3 * longest) for rows, width in shapes)


def test_a_folders_own_penalties_cuts_and_end_tokens_do_not_count() -> None:
    draw = lambda: sample_completions(MODEL, TOKENIZER, ["a"], k=50, max_new_tokens=9, seed=3)  # noqa: E731
    plain = draw()
    MODEL.generation_config = GenerationConfig(
        repetition_penalty=1.5, top_k=2, top_p=0.5, eos_token_id=[TOKENIZER.eos_token_id, 7, 8, 9]
    )
    assert draw() == plain
