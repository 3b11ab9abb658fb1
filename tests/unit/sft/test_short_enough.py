"""Examples that are too long are left out, and never all of them in silence."""

import pytest

from tasks.errors import TrainingError
from tasks.scratch import small_llama, train_tokenizer
from tasks.sft.train import short_enough, token_lengths

TOKENIZER = train_tokenizer(["word"] * 9, 300)
MODEL = small_llama(TOKENIZER, hidden=16, layers=1, heads=2, positions=30, seed=0)
PROMPTS = ["a", "a" * 20, "a" * 40]
ANSWERS = ["b", "b", "b"]


def test_the_lesser_of_limit_and_positions_counts() -> None:
    assert token_lengths(TOKENIZER, PROMPTS, ANSWERS) == [4, 23, 43]
    assert short_enough(MODEL, TOKENIZER, PROMPTS, ANSWERS, 10) == [0]
    assert short_enough(MODEL, TOKENIZER, PROMPTS, ANSWERS, 1000) == [0, 1]


def test_no_example_short_enough_is_an_error() -> None:
    with pytest.raises(TrainingError, match="No example has at most 3 tokens"):
        short_enough(MODEL, TOKENIZER, PROMPTS, ANSWERS, 3)
