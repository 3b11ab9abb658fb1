"""Vectors of prompts: from tiny models made here, and from MiniLM as it is."""

import os
import shutil
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
from tasks.batches import alike_length_batches, equal_length_batches
from tasks.embed.encode import LEAST_COSINE, encode
from tasks.embed.params import EmbedParams, Encoding
from tasks.embed.task import embedding_model
from tasks.embed.texts import cut, read_conversations, text_hash, with_hashes
from tasks.errors import InputError
from tasks.minilm import minilm_folder
from tasks.runtime import faster_threads
from tasks.sentences import load_sentence_model, token_counts
from tasks.states import load_states_model, mean_states, tokenize
from tasks.vectors import centred, unit

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


STATES = Encoding(states=True, dtype="float32", batch_tokens=8192, threads=1)
SENTENCES = STATES.model_copy(update={"states": False})
IN_BFLOAT16 = SENTENCES.model_copy(update={"dtype": "bfloat16"})


def table(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"p{row}" for row in range(len(texts))], "prompt": texts, "assistant": None})


def nothing(share: float) -> None:
    assert 0 <= share <= 1


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(1, 40))
def test_batches_of_one_length_hold_every_row_once(lengths: list[int], budget: int) -> None:
    sizes = np.array(lengths, dtype=np.int64)
    batches = equal_length_batches(sizes, budget)
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert all(len(set(sizes[rows])) == 1 for rows in batches)
    assert all(sizes[rows].sum() <= budget or len(rows) == 1 for rows in batches)
    assert [sizes[rows[0]] for rows in batches] == sorted((sizes[rows[0]] for rows in batches), reverse=True)


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(1, 40))
def test_batches_of_alike_lengths_hold_every_row_once(lengths: list[int], budget: int) -> None:
    sizes = np.array(lengths, dtype=np.int64)
    batches = alike_length_batches(sizes, budget)
    assert [row for rows in batches for row in rows] == sorted(range(len(lengths)), key=lambda row: -lengths[row])
    assert all(sizes[rows].max() * len(rows) <= budget or len(rows) == 1 for rows in batches)
    assert all(sizes[rows[0]] * (len(rows) + 1) > budget for rows in batches[:-1])


@pytest.mark.parametrize("encoding", [SENTENCES, IN_BFLOAT16])
def test_a_sentences_vector_does_not_depend_on_its_batch(encoding: Encoding) -> None:
    """Beyond rounding: where a CPU multiplies bfloat16 in tiles (AMX), the last bits depend on a batch's shape."""
    texts = [f"{word} {number}" * (1 + number % 4) for word in ("old", "new", "λ-term") for number in range(30)]
    together = encode(table(texts), minilm_folder(), encoding, nothing)
    alone = encode(table(texts), minilm_folder(), encoding.model_copy(update={"batch_tokens": 1}), nothing)
    assert together.dtype == alone.dtype
    if together.dtype == torch.float32:
        np.testing.assert_allclose(alone.emb, together.emb, atol=1e-6)
    assert (unit(alone.emb) * unit(together.emb)).sum(axis=1).min() >= LEAST_COSINE


def test_a_vector_does_not_depend_on_its_batch(folder: Path) -> None:
    model = load_states_model(folder)
    texts = [text for text in TEXTS for _ in range(9)]
    tokens, _ = tokenize(folder, [[text] for text in texts], model)
    alone = mean_states(model, tokens, batch_tokens=1, show=nothing)
    together = mean_states(model, tokens, batch_tokens=100_000, show=nothing)
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_mean_of_states_is_the_plain_loop(folder: Path) -> None:
    model = load_states_model(folder)
    tokens, _ = tokenize(folder, [[text] for text in TEXTS], model)
    with torch.no_grad():
        twin = [
            model(torch.tensor([found], device=model.device)).last_hidden_state[0].mean(0).cpu() for found in tokens
        ]
    emb = mean_states(model, tokens, batch_tokens=128, show=nothing)
    np.testing.assert_allclose(emb, torch.stack(twin).numpy(), atol=1e-5)


def test_order_of_prompts_changes_no_vector(folder: Path) -> None:
    forward = encode(table(TEXTS), folder, STATES, nothing).emb
    backward = encode(table(TEXTS[::-1]), folder, STATES, nothing).emb
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-5)


def test_long_text_is_cut_and_counted(folder: Path) -> None:
    long = "abc" * 50
    encoded = encode(table(["a", long, long[:POSITIONS]]), folder, STATES, nothing)
    assert encoded.truncated == 1
    assert encoded.tokens == 1 + 2 * POSITIONS
    np.testing.assert_allclose(encoded.emb[1], encoded.emb[2], atol=1e-5)


def test_centring_takes_the_common_direction_away() -> None:
    emb = (10 + np.random.default_rng(0).normal(size=(500, 16))).astype(np.float32)
    assert (unit(emb) @ unit(emb).T).min() > 0.9
    assert abs(unit(centred(emb)).mean()) < 0.01
    np.testing.assert_allclose(unit(centred(emb)), unit(centred(emb + 5)), atol=1e-4)


def test_vectors_all_alike_keep_a_direction() -> None:
    same = np.full((3, 4), 2.0, dtype=np.float32)
    np.testing.assert_allclose(unit(centred(same)), unit(same))


def test_minilm_is_sentence_transformers_own_encode() -> None:
    texts = ["What is the capital of France?", "word " * 400, "Reduce the term.", "a", "λx.x"]
    encoded = encode(table(texts), minilm_folder(), SENTENCES.model_copy(update={"batch_tokens": 300}), nothing)
    twin = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True).encode(
        texts, normalize_embeddings=True
    )
    np.testing.assert_allclose(encoded.emb, twin, atol=1e-5)
    assert encoded.truncated == 1


def test_empty_text_is_refused_with_its_id() -> None:
    with pytest.raises(InputError, match=r"'p1' \(row 2\) is empty"):
        with_hashes(table(["a", " \n", "b"]))


def test_repeated_id_is_refused() -> None:
    with pytest.raises(InputError, match="'x' stands on 2 rows"):
        with_hashes(pl.DataFrame({"id": ["x", "x"], "prompt": ["a", "b"]}))


def test_no_prompts_are_refused() -> None:
    with pytest.raises(InputError, match="no prompts"):
        with_hashes(pl.DataFrame({"id": [], "prompt": []}))


@pytest.mark.parametrize("encoding", [STATES, SENTENCES])
def test_pickled_weights_are_refused(encoding: Encoding, folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not to be loaded")
    with pytest.raises(InputError, match="safetensors"):
        encode(table(["a"]), tmp_path, encoding, nothing)


def test_unknown_name_without_network_names_the_alternatives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    started = time.monotonic()
    with pytest.raises(InputError, match="need no network: policy, minilm"):
        embedding_model(EmbedParams(encoder="some-owner/no-such-model"), {})
    assert time.monotonic() - started < 15


def test_grpo_needs_its_folder() -> None:
    with pytest.raises(ValueError, match="needs the folder"):
        EmbedParams(ckpt_source="grpo")
    with pytest.raises(ValueError, match="ckpt-source grpo only"):
        EmbedParams(grpo_model="anywhere")


def test_what_is_a_policys_own_is_refused_for_others() -> None:
    with pytest.raises(ValueError, match="ckpt-source base is of the encoder policy"):
        EmbedParams(encoder="minilm", ckpt_source="base")
    with pytest.raises(ValueError, match="bfloat16's rounding"):
        EmbedParams(dtype="bfloat16")


def test_source_chooses_the_folder(folder: Path, tmp_path: Path) -> None:
    own = {}
    for name in ("sft", "base"):
        own[name] = tmp_path / name
        own[name].mkdir()
        (own[name] / "config.json").write_text(name)
    assert embedding_model(EmbedParams(), own) == external(tmp_path / "sft")
    assert embedding_model(EmbedParams(ckpt_source="base"), own) == external(tmp_path / "base")
    assert embedding_model(EmbedParams(ckpt_source="grpo", grpo_model=str(folder)), own) == external(folder)
    assert embedding_model(EmbedParams(encoder="minilm"), own) == external(minilm_folder())
    for absent in ({}, {"sft": tmp_path / "nowhere"}):
        with pytest.raises(InputError, match="minilm"):
            embedding_model(EmbedParams(), absent)


def test_bfloat16_is_close_to_float32() -> None:
    texts = ["What is the capital of France?", "word " * 400, "Reduce the term.", "a", "λx.x", "2 + 2 = 4, is it?"]
    exact = encode(table(texts), minilm_folder(), SENTENCES, nothing)
    close = encode(table(texts), minilm_folder(), IN_BFLOAT16, nothing)
    assert (exact.dtype, close.dtype) == (torch.float32, torch.bfloat16)
    assert (exact.emb * close.emb).sum(axis=1).min() >= 1 - 2e-4
    np.testing.assert_allclose(np.linalg.norm(close.emb, axis=1), 1, atol=1e-5)


def test_a_model_that_bfloat16_would_change_stays_in_float32(tmp_path: Path) -> None:
    """A great number on every state, which the next layer takes away: bfloat16 has lost the state by then."""
    model = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
    with torch.no_grad():
        model[0].model.embeddings.LayerNorm.bias += 1000
    model.save(str(tmp_path / "model"))
    texts = [f"text number {row}" for row in range(40)]
    made = encode(table(texts), tmp_path / "model", IN_BFLOAT16, nothing)
    exact = encode(table(texts), tmp_path / "model", SENTENCES, nothing)
    assert made.dtype == torch.float32
    np.testing.assert_allclose(made.emb, exact.emb, atol=1e-6)


def test_an_answer_is_the_second_line_or_the_templates_second_turn(folder: Path, tmp_path: Path) -> None:
    both = pl.DataFrame({"prompt": ["ab", "ab"], "assistant": [None, "c"]}, schema_overrides={"assistant": pl.String})
    lines = encode(both, folder, STATES, nothing).emb
    np.testing.assert_allclose(lines[1], encode(table(["ab\nc"]), folder, STATES, nothing).emb[0], atol=1e-6)

    chat = tmp_path / "chat"
    shutil.copytree(folder, chat)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(chat)
    tokenizer.chat_template = "{% for m in messages %}{{ '(' if m.role == 'user' else '.' }}{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(chat)
    turns = encode(both, chat, STATES, nothing).emb
    np.testing.assert_allclose(turns, encode(table(["(ab", "(ab.c"]), folder, STATES, nothing).emb, atol=1e-6)


@given(
    st.text(max_size=5),
    st.none() | st.text(min_size=1, max_size=5),
    st.text(max_size=5),
    st.none() | st.text(min_size=1, max_size=5),
)
def test_a_hash_says_what_was_said(prompt: str, answer: str | None, other: str, other_answer: str | None) -> None:
    same = (prompt, answer) == (other, other_answer)
    assert (text_hash(prompt, answer) == text_hash(other, other_answer)) == same


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "it is no JSON"),
        ('{"prompt": "p"}', '"id" is missing'),
        ('{"id": "b"}', '"prompt" is missing'),
        ('{"id": "b", "prompt": " "}', '"prompt" is empty'),
        ('{"id": "b\\nc", "prompt": "p"}', '"id" has a line break'),
        ('{"id": "", "prompt": "p"}', '"id" is empty'),
        ('{"id": "b", "prompt": ["p"]}', '"prompt" is list, not text'),
        ('{"id": "b", "prompt": "p", "assistant": ""}', '"assistant" is empty'),
        ('{"id": "b", "prompt": "p", "assistant": 3}', '"assistant" is int, not text'),
        ('{"id": "b", "prompt": "\\ud800"}', '"prompt" is not UTF-8'),
        ('{"id": "a", "prompt": "p"}', r"id 'a' stands at c\.jsonl line 1 already"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "a", "prompt": "p", "assistant": null}\n\n' + line + "\n")
    with pytest.raises(InputError, match=rf"c\.jsonl line 3: {problem}"):
        read_conversations(path, "c.jsonl")


def test_conversations_are_read_from_parquet_too(tmp_path: Path) -> None:
    pl.DataFrame({"id": [7, 8], "prompt": ["p", "q"], "other": [1.0, 2.0]}).write_parquet(tmp_path / "c.parquet")
    read = read_conversations(tmp_path / "c.parquet", "c")
    assert read.rows() == [("7", "p", None), ("8", "q", None)]


def test_shards_hold_each_unknown_text_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tasks.embed.texts.SHARD_CHARACTERS", 20)
    texts = with_hashes(table([f"text {row % 30}" for row in range(50)]))
    known = texts["text"][3:5]
    pl.DataFrame({"id": known}).write_parquet(tmp_path / "known.parquet")
    shards = cut(texts, [tmp_path / "known.parquet"])
    assert len(shards) > 5
    held = [name for shard in shards for name in shard["text"]]
    assert len(held) == 28
    assert set(held) == set(texts["text"]) - set(known)
    assert cut(texts, [tmp_path / "known.parquet", *_written(shards, tmp_path)]) == []


def _written(shards: list[pl.DataFrame], folder: Path) -> list[Path]:
    for number, shard in enumerate(shards):
        shard.rename({"text": "id"}).write_parquet(folder / f"{number}.parquet")
    return [folder / f"{number}.parquet" for number in range(len(shards))]


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{% for"])
def test_a_chat_template_that_fails_is_one_clear_error(folder: Path, tmp_path: Path, template: str) -> None:
    shutil.copytree(folder, tmp_path / "chat")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path / "chat")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(tmp_path / "chat")
    with pytest.raises(InputError, match="chat template cannot be applied to 'ab'"):
        encode(table(["ab"]), tmp_path / "chat", STATES, nothing)


def test_a_language_model_is_no_sentence_model(folder: Path) -> None:
    with pytest.raises(InputError, match="encoder policy, ckpt-source grpo, grpo-model"):
        encode(table(["ab"]), folder, SENTENCES, nothing)


def test_tokens_are_counted_as_the_model_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sentences.TEXTS_TO_COUNT", 2)
    model = load_sentence_model(minilm_folder())
    texts = ["a", "word " * 400, "two words", "  spaced  "]
    lengths, cut = token_counts(model, texts)
    assert lengths.tolist() == [int(model.preprocess([text])["attention_mask"].sum()) for text in texts]
    assert lengths[1] == 256
    assert cut == 1


def test_threads_are_one_or_all() -> None:
    before = torch.get_num_threads()
    assert faster_threads() in {1, len(os.sched_getaffinity(0))}
    assert torch.get_num_threads() == before
