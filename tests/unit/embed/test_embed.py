"""Vectors of prompts: from tiny models made here, and from MiniLM as it is."""

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tasks.artifact import external
from tasks.batches import token_budget_batches
from tasks.embed.encode import checked_texts, encode
from tasks.embed.params import EmbedParams
from tasks.embed.policy import load_states_model, mean_states, tokenize
from tasks.embed.task import embed, embedding_model
from tasks.embed.vectors import centred_unit, unit
from tasks.errors import InputError
from tasks.minilm import minilm_folder
from tasks.tables import read_embeddings

POSITIONS = 64
TEXTS = [r"(\.0)(\.0)", r"\.0", r"\.(\.10)0" * 5, "ab" * 20, r"\.\.\.210", "cab", "b"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model of two layers over single characters."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    symbols = ["<unk>", "<eos>", *r"\.()0123456789abc"]
    tokenizer = Tokenizer(models.WordLevel({symbol: row for row, symbol in enumerate(symbols)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>").save_pretrained(path)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=len(symbols), max_position_embeddings=POSITIONS, **shape)
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def table(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"p{row}" for row in range(len(texts))], "prompt": texts})


def nothing(share: float) -> None:
    assert 0 <= share <= 1


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200))
def test_batches_hold_every_row_once_within_budget(lengths: list[int], budget: int) -> None:
    sizes = np.array(lengths, dtype=np.int64)
    batches = token_budget_batches(sizes, budget)
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert all(len(rows) * sizes[rows].max() <= budget or len(rows) == 1 for rows in batches)


def test_padding_never_changes_a_vector(folder: Path) -> None:
    model = load_states_model(folder)
    texts = [text for text in TEXTS for _ in range(9)]
    tokens, _ = tokenize(folder, [str(row) for row in range(len(texts))], texts, model)
    alone = mean_states(model, tokens, batch_tokens=1, show=nothing)
    together = mean_states(model, tokens, batch_tokens=100_000, show=nothing)
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_mean_of_states_is_the_plain_loop(folder: Path) -> None:
    model = load_states_model(folder)
    tokens, _ = tokenize(folder, [str(row) for row in range(len(TEXTS))], TEXTS, model)
    with torch.no_grad():
        twin = [
            model(torch.tensor([found], device=model.device)).last_hidden_state[0].mean(0).cpu() for found in tokens
        ]
    emb = mean_states(model, tokens, batch_tokens=128, show=nothing)
    np.testing.assert_allclose(emb, torch.stack(twin).numpy(), atol=1e-5)


def test_order_of_prompts_changes_no_vector(folder: Path) -> None:
    params = EmbedParams(threads=1)
    forward = encode(table(TEXTS), folder, params, nothing).emb
    backward = encode(table(TEXTS[::-1]), folder, params, nothing).emb
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-5)


def test_vectors_have_length_1(folder: Path) -> None:
    for texts in (TEXTS, TEXTS[:1], ["b", "b"]):
        emb = encode(table(texts), folder, EmbedParams(threads=1), nothing).emb
        np.testing.assert_allclose(np.linalg.norm(emb, axis=1), 1, atol=1e-5)


def test_long_text_is_cut_and_counted(folder: Path) -> None:
    long = "abc" * 50
    encoded = encode(table(["a", long, long[:POSITIONS]]), folder, EmbedParams(threads=1), nothing)
    assert encoded.truncated == 1
    assert encoded.tokens == 1 + 2 * POSITIONS
    np.testing.assert_allclose(encoded.emb[1], encoded.emb[2], atol=1e-5)


def test_centring_takes_the_common_direction_away() -> None:
    emb = (10 + np.random.default_rng(0).normal(size=(500, 16))).astype(np.float32)
    assert (unit(emb) @ unit(emb).T).min() > 0.9
    assert abs(centred_unit(emb).mean()) < 0.01
    np.testing.assert_allclose(centred_unit(emb), centred_unit(emb + 5), atol=1e-4)


def test_vectors_all_alike_keep_a_direction() -> None:
    same = np.full((3, 4), 2.0, dtype=np.float32)
    np.testing.assert_allclose(centred_unit(same), unit(same))


def test_minilm_is_sentence_transformers_own_encode() -> None:
    texts = ["What is the capital of France?", "word " * 400, "Reduce the term.", "a", "λx.x"]
    encoded = encode(table(texts), minilm_folder(), EmbedParams(encoder="minilm", batch_tokens=300), nothing)
    twin = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True).encode(
        texts, normalize_embeddings=True
    )
    np.testing.assert_allclose(encoded.emb, twin, atol=1e-5)
    assert encoded.truncated == 1


def test_empty_text_is_refused_with_its_id() -> None:
    with pytest.raises(InputError, match=r"'p1' \(row 2\) is empty"):
        checked_texts(table(["a", " \n", "b"]))


def test_repeated_id_is_refused() -> None:
    with pytest.raises(InputError, match="'x' stands on 2 rows"):
        checked_texts(pl.DataFrame({"id": ["x", "x"], "prompt": ["a", "b"]}))


def test_no_prompts_are_refused() -> None:
    with pytest.raises(InputError, match="no prompts"):
        checked_texts(pl.DataFrame({"id": [], "prompt": []}))


@pytest.mark.parametrize("encoder", ["policy", "sentences"])
def test_pickled_weights_are_refused(encoder: str, folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not to be loaded")
    with pytest.raises(InputError, match="safetensors"):
        encode(table(["a"]), tmp_path, EmbedParams(encoder=encoder), nothing)


def test_unknown_name_without_network_names_the_alternatives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    started = time.monotonic()
    with pytest.raises(InputError, match="need no network: policy, minilm"):
        embedding_model(EmbedParams(encoder="some-owner/no-such-model"))
    assert time.monotonic() - started < 15


def test_grpo_needs_its_folder() -> None:
    with pytest.raises(ValueError, match="needs the folder"):
        EmbedParams(ckpt_source="grpo")
    with pytest.raises(ValueError, match="ckpt-source grpo only"):
        EmbedParams(grpo_model="anywhere")


def test_source_chooses_the_folder(folder: Path, tmp_path: Path) -> None:
    for name in ("model", "base"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name)
    sft = external(tmp_path)
    assert embedding_model(EmbedParams(), sft) == sft.part("model")
    assert embedding_model(EmbedParams(ckpt_source="base"), sft) == sft.part("base")
    assert embedding_model(EmbedParams(ckpt_source="grpo", grpo_model=str(folder))) == external(folder)
    assert embedding_model(EmbedParams(encoder="minilm")) == external(minilm_folder())
    with pytest.raises(InputError, match="minilm"):
        embedding_model(EmbedParams())


def test_task_writes_unit_vectors_by_id(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table(TEXTS).write_parquet("prompts.parquet")
    made = embed.fn(external("prompts.parquet"), external(folder), EmbedParams(threads=1))
    ids, emb = read_embeddings(made.path)
    assert ids == [f"p{row}" for row in range(len(TEXTS))]
    assert made.manifest["rows"] == len(TEXTS)
    np.testing.assert_allclose(emb, encode(table(TEXTS), folder, EmbedParams(threads=1), nothing).emb, atol=1e-6)
