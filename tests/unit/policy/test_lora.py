"""LoRA ends in a plain model: it moved, its folder needs no peft, and KL is measured from where it began."""

from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from tasks.models import load_causal_lm, load_tokenizer, save_model
from tasks.policy.params import PolicyParams
from tasks.policy.rewards import Seen
from tasks.policy.train import train_grpo
from tasks.scratch import small_llama, train_tokenizer

PROMPTS = [f"say {i}" for i in range(8)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, float]]]:
    """A folder with start/ and end/, and the log of four LoRA steps between them."""
    folder = tmp_path_factory.mktemp("lora")
    tokenizer = train_tokenizer(PROMPTS, 300)
    start = small_llama(tokenizer, hidden=16, layers=2, heads=2, positions=64, seed=0)
    save_model(folder / "start", start, tokenizer)
    model = load_causal_lm(folder / "start")
    params = PolicyParams(
        batch=8, generations=4, max_completion=8, max_steps=4, learning_rate=0.05, beta=0.1, lora_rank=4
    )
    schedule = pl.DataFrame({"id": PROMPTS, "prompt": PROMPTS, "meta": [None] * 8})

    def digits(completions: list[str], **_: object) -> list[float]:
        return [float(len(answer)) for answer in completions]

    seen = Seen(folder / "work")
    log = train_grpo(model, tokenizer, schedule, [digits], seen, params, folder / "work", lambda share: None)
    save_model(folder / "end", model, tokenizer)
    return folder, log


def test_the_merged_model_is_a_plain_folder_with_the_same_tensors(trained: tuple[Path, list[dict[str, float]]]) -> None:
    folder, _ = trained
    assert {p.name for p in (folder / "end").iterdir()} == {p.name for p in (folder / "start").iterdir()}
    start, end = (load_file(folder / name / "model.safetensors") for name in ("start", "end"))
    assert {name: value.shape for name, value in end.items()} == {name: value.shape for name, value in start.items()}
    assert type(load_causal_lm(folder / "end")).__name__ == "LlamaForCausalLM"
    assert load_tokenizer(folder / "end").eos_token_id is not None


def test_linear_layers_moved_by_the_rank_and_nothing_else_did(trained: tuple[Path, list[dict[str, float]]]) -> None:
    folder, _ = trained
    start, end = (load_file(folder / name / "model.safetensors") for name in ("start", "end"))
    for name, before in start.items():
        moved = end[name] - before
        if name.endswith("_proj.weight"):
            assert moved.abs().max() > 1e-3, name
            assert torch.linalg.matrix_rank(moved, rtol=1e-3) <= 4, name
        else:
            assert not moved.any(), name


def test_divergence_is_measured_from_the_model_it_began_with(trained: tuple[Path, list[dict[str, float]]]) -> None:
    kl = [entry["kl"] for entry in trained[1] if "kl" in entry]
    assert kl[0] == pytest.approx(0.0, abs=1e-6)
    assert kl[-1] > 1e-4
