"""The small model's tokenizer and weights."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.scratch import small_llama, train_tokenizer

TEXTS = [r"next step of (\.\.10)(\.0)", r"\.\.0", "normal form", "a closed term of size 12 with 3 redexes"] * 20
TOKENIZER = train_tokenizer(TEXTS, 400)


@given(st.text(max_size=40))
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"], skip_special_tokens=False) == text


def test_each_symbol_of_a_term_is_one_token() -> None:
    term = r"\.(\.\.10)(\.0)2"
    assert TOKENIZER.tokenize(term) == [r"\.", "(", r"\.", r"\.", "1", "0", ")", "(", r"\.", "0", ")", "2"]


def test_words_that_repeat_become_one_token() -> None:
    assert len(TOKENIZER.tokenize("normal form")) == 2


def test_the_same_texts_give_the_same_tokenizer() -> None:
    assert train_tokenizer(TEXTS, 400).get_vocab() == TOKENIZER.get_vocab()


def test_weights_depend_on_the_seed_alone() -> None:
    def weights(seed: int) -> torch.Tensor:
        model = small_llama(TOKENIZER, hidden=16, layers=1, heads=2, positions=32, seed=seed)
        return torch.cat([p.flatten() for p in model.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
