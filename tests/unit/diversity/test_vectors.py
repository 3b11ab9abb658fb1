"""How far answers spread, by MiniLM or by the SFT model's own states."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.diversity.vectors import answer_vectors
from tasks.models import load_causal_lm, load_tokenizer, save_model
from tasks.scratch import small_llama, train_tokenizer

SAID = ["red fox", "red", "", "a lazy dog"]
BASE = ["red fox", "blue dog", "blue dog jumps"]


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sft")
    tokenizer = train_tokenizer([*SAID, *BASE], 300)
    save_model(folder, small_llama(tokenizer, hidden=16, layers=2, heads=2, positions=32, seed=0), tokenizer)
    return folder


def state(folder: Path, text: str) -> np.ndarray:
    """One text through the whole model, its last hidden states' mean."""
    tokenizer = load_tokenizer(folder)
    ids = torch.tensor([tokenizer(text or tokenizer.eos_token)["input_ids"]])
    with torch.no_grad():
        found = load_causal_lm(folder)(ids, output_hidden_states=True).hidden_states[-1]
    return found[0].mean(dim=0).numpy()


def test_states_are_taken_from_the_mean_of_sfts_answers(sft: Path) -> None:
    vectors = answer_vectors("sft", SAID, BASE, sft, lambda share: None)
    middle = np.mean([state(sft, text) for text in BASE], axis=0)
    for text in SAID:
        meant = state(sft, text) - middle
        assert vectors[text] == pytest.approx(meant / np.linalg.norm(meant), abs=1e-5)


def test_an_arms_vectors_do_not_depend_on_what_else_it_says(sft: Path) -> None:
    alone = answer_vectors("sft", ["red"], BASE, sft, lambda share: None)
    among = answer_vectors("sft", SAID, BASE, sft, lambda share: None)
    assert alone["red"] == pytest.approx(among["red"], abs=1e-5)


def test_minilm_needs_no_model_of_the_flow(tmp_path: Path) -> None:
    vectors = answer_vectors("minilm", SAID, BASE, tmp_path / "none", lambda share: None)
    assert set(vectors) == set(SAID)
    assert [float(np.linalg.norm(vector)) for vector in vectors.values()] == pytest.approx([1] * 4, abs=1e-5)
