"""What is scored is token by token what TRL's trainer learned from, with and without a chat template."""

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import LlamaForSequenceClassification, PreTrainedTokenizerBase
from trl import RewardConfig, RewardTrainer

from tasks.policy.rewards import model_reward
from tasks.prompting import answered_ids, as_answer, as_prompt, prompt_ids
from tasks.rewards import RewardMix
from tasks.scoring import score_answers
from tasks.scratch import small_llama, train_tokenizer
from tasks.training import device_arguments

TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + '\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
)


@pytest.fixture(params=["plain", "chat"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    made = train_tokenizer(["user a prompt", "assistant", "normal form"] * 9, 300)
    if request.param == "chat":
        made.chat_template = TEMPLATE
    return made


@pytest.fixture
def judge(tokenizer: PreTrainedTokenizerBase) -> LlamaForSequenceClassification:
    torch.manual_seed(0)
    llama = small_llama(tokenizer, hidden=16, layers=1, heads=2, positions=64, seed=0)
    llama.config.num_labels = 1
    return LlamaForSequenceClassification(llama.config).eval()


def test_ids_are_those_of_the_trainer(
    tokenizer: PreTrainedTokenizerBase, judge: LlamaForSequenceClassification, tmp_path: Path
) -> None:
    row = {
        "prompt": [as_prompt("a prompt", tokenizer)],
        "chosen": [as_answer("normal form", tokenizer)],
        "rejected": [as_answer("no", tokenizer)],
    }
    arguments = RewardConfig(str(tmp_path), report_to="none", max_length=None, **device_arguments())
    trainer = RewardTrainer(judge, arguments, train_dataset=Dataset.from_dict(row), processing_class=tokenizer)
    assert answered_ids("a prompt", "normal form", tokenizer) == trainer.train_dataset[0]["chosen_ids"]
    assert answered_ids("a prompt", "no", tokenizer) == trainer.train_dataset[0]["rejected_ids"]


def test_a_sampled_answer_that_ended_scores_as_in_training(
    tokenizer: PreTrainedTokenizerBase, judge: LlamaForSequenceClassification
) -> None:
    whole = answered_ids("a prompt", "normal form", tokenizer)
    asked = prompt_ids("a prompt", tokenizer)
    assert whole[: len(asked)] == asked
    sampled = whole[len(asked) : len(whole) - whole[::-1].index(tokenizer.eos_token_id)]
    assert sampled[-1] == tokenizer.eos_token_id
    (reward,) = model_reward(judge, tokenizer, RewardMix())(completion_ids=[sampled], text=["a prompt"], meta=[None])
    assert reward == pytest.approx(score_answers(judge, tokenizer, ["a prompt"], ["normal form"])[0], abs=1e-5)
