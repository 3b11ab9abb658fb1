"""Token vectors of pairs: against one text at a time, from a tiny language model made here and from MiniLM as it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tasks.embed.params import TokenEncoding
from tasks.embed.texts import gather_tokens, read_pairs, with_hashes
from tasks.embed.tokens import TokenModel, load_token_model, read_sides, spread, token_vectors
from tasks.errors import InputError
from tasks.minilm import minilm_folder
from tasks.runtime import torch_threads
from tasks.tables import Floats
from tasks.token_vectors import Tokens, write_tokens

POSITIONS = 32
PAIRS = [("abba", "(ab)(ba)"), ("a", "(a)"), ("cab" * 5, "c"), ("ab" * 40, "ba" * 30), ("abc", "cba"), ("(0)", "aaaaa")]
STATEMENTS = [
    ("Two times two is four.", "theorem two_two : 2 * 2 = 4"),
    ("Every even number over two is the sum of two primes. " * 30, "theorem goldbach (n : ℕ) : True"),
    ("Addition of natural numbers commutes.", "theorem add_comm (a b : ℕ) : a + b = b + a"),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


def language_model(folder: Path) -> Path:
    """A causal language model of two layers over single characters, whose tokenizer begins a text with <bos>."""
    torch.manual_seed(0)
    symbols = ["<unk>", "<bos>", "<eos>", *"()0123456789abc"]
    tokenizer = Tokenizer(models.WordLevel({symbol: row for row, symbol in enumerate(symbols)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    names = {"unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(symbols), max_position_embeddings=POSITIONS, **shape)).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return language_model(tmp_path_factory.mktemp("model"))


def table(said: list[tuple[str, str]]) -> pl.DataFrame:
    rows = [(f"p{row}", nl, lean) for row, (nl, lean) in enumerate(said)]
    return with_hashes(pl.DataFrame(rows, schema=["id", "prompt", "assistant"], orient="row"))


def encoded(said: list[tuple[str, str]], model: TokenModel, **encoding: Any) -> list[tuple[Floats, Floats]]:
    """Vectors of both sides of each pair."""
    shares: list[float] = []
    groups = list(token_vectors(read_sides(table(said), model), model, TokenEncoding(**encoding), shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    found = []
    for nl, lean in groups:
        assert nl.ids == lean.ids
        ends = np.cumsum(nl.lengths)[:-1]
        found += zip(np.split(nl.vectors, ends), np.split(lean.vectors, ends), strict=True)
    return found


def evenly(vectors: Floats, n: int) -> Floats:
    """The vector in the middle of each of n equal stretches, in the words of the docstring."""
    stretch = len(vectors) / n
    return np.stack([vectors[int(stretch * (place + 0.5) + 1e-9)] for place in range(n)])


@pytest.mark.parametrize("layer", [None, 0, 1, 2])
def test_vectors_are_those_of_one_text_at_a_time(folder: Path, layer: int | None) -> None:
    model = load_token_model(folder, "a")
    network, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), model.tokenizer

    def twin(text: str) -> Floats:
        ids = tokenizer(text, return_tensors="pt")["input_ids"][:, :POSITIONS]
        assert ids[0, 0] == tokenizer.bos_token_id
        with torch.no_grad():
            states = network(ids, output_hidden_states=True).hidden_states
        vectors: Floats = states[-1 if layer is None else layer][0, 1:].numpy()
        return vectors

    for (nl, lean), (left, right) in zip(encoded(PAIRS, model, layer=layer), PAIRS, strict=True):
        whole = twin(left), twin(right)
        n = min(map(len, whole))
        assert nl.shape == lean.shape == (n, 16)
        np.testing.assert_allclose(nl, evenly(whole[0], n), atol=1e-5)
        np.testing.assert_allclose(lean, evenly(whole[1], n), atol=1e-5)


def test_layers_differ(folder: Path) -> None:
    model = load_token_model(folder, "a")
    first, middle, last, default = (encoded(PAIRS[:1], model, layer=layer)[0][0] for layer in (0, 1, 2, None))
    assert not np.allclose(first, middle, atol=1e-4)
    assert not np.allclose(middle, last, atol=1e-4)
    np.testing.assert_array_equal(last, default)


@pytest.mark.parametrize("layer", [None, 3])
def test_minilms_vectors_are_sentence_transformers_own_without_special_tokens(layer: int | None) -> None:
    model = load_token_model(minilm_folder(), "minilm")
    own = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
    for (nl, lean), said in zip(encoded(STATEMENTS, model, layer=layer), STATEMENTS, strict=True):
        if layer is None:
            states = own.encode(list(said), output_value="token_embeddings", convert_to_tensor=False)
        else:
            features = [own.preprocess([text]) for text in said]
            with torch.no_grad():
                given = [own[0].model(**of, output_hidden_states=True).hidden_states[layer][0] for of in features]
            states = given
        whole = [np.asarray(of)[1:-1] for of in states]
        n = min(map(len, whole))
        np.testing.assert_allclose(nl, evenly(whole[0], n), atol=1e-5)
        np.testing.assert_allclose(lean, evenly(whole[1], n), atol=1e-5)


def test_batches_and_blocks_change_no_vector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_token_model(folder, "a")
    said = PAIRS * 7
    together = encoded(said, model, batch_tokens=100_000)
    alone = encoded(said, model, batch_tokens=1)
    monkeypatch.setattr("tasks.embed.tokens.NUMBERS", 16 * 30)
    in_blocks = encoded(said, model, batch_tokens=100)
    for one, other, third in zip(together, alone, in_blocks, strict=True):
        for side in (0, 1):
            np.testing.assert_allclose(one[side], other[side], atol=1e-5)
            np.testing.assert_allclose(one[side], third[side], atol=1e-5)


@given(st.integers(1, 300), st.integers(1, 300))
def test_what_is_kept_is_spread_evenly_over_the_whole(length: int, n: int) -> None:
    n = min(n, length)
    kept = spread(np.arange(length), n)
    assert len(set(kept.tolist())) == n
    assert set(np.diff(kept).tolist()) <= {length // n, -(-length // n)}
    assert kept[0] == length - 1 - kept[-1] or kept[0] == length - kept[-1]
    assert n < length or kept.tolist() == list(range(length))


def test_what_is_too_long_is_cut_and_counted(folder: Path) -> None:
    model = load_token_model(folder, "a")
    sides = read_sides(table(PAIRS), model)
    assert sides.truncated == 2
    assert max(len(side) for pair in sides.read for side in pair) == POSITIONS
    assert max(len(side) for pair in sides.kept for side in pair) == POSITIONS - 1


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(folder: Path) -> None:
    with pytest.raises(InputError, match=r"--layer 3: .* has the hidden layers 0 \(the embeddings\) to 2, the last"):
        encoded(PAIRS, load_token_model(folder, "a"), layer=3)


def test_vectors_that_numbers_cannot_hold_are_refused_with_the_text(tmp_path: Path) -> None:
    weights = load_file(language_model(tmp_path) / "model.safetensors")
    weights["model.norm.weight"] *= 1e6
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    model = load_token_model(tmp_path, "large")
    assert np.abs(encoded(PAIRS, model)[0][0]).max() > 1e5
    with pytest.raises(InputError, match="gives 'abba' a vector that float16 cannot hold"):
        encoded(PAIRS, model, token_dtype="float16")
    weights["model.norm.weight"] *= float("nan")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="gives 'abba' a vector that float32 cannot hold"):
        encoded(PAIRS, load_token_model(tmp_path, "nan"))


def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(InputError, match="has no tokens in the vocabulary"):
        encoded([("\u200b", "a")], load_token_model(minilm_folder(), "minilm"))


def test_shards_are_joined_under_every_id_in_the_texts_order(tmp_path: Path) -> None:
    texts = table([("a", "b"), ("c", "d"), ("a", "b"), ("e", "f")])
    hashes = texts["text"].to_list()
    shards = [[hashes[3], "unwanted"], [hashes[0], hashes[1], hashes[3]]]
    for number, held in enumerate(shards):
        vectors = np.repeat(np.array([[ord(name[0]) + number / 10] for name in held], dtype=np.float32), 2, axis=0)
        write_tokens(tmp_path / f"{number}.parquet", [Tokens(held, np.full(len(held), 2), vectors)], 1)
    for order in ([0, 1], [1, 0]):
        joined = list(gather_tokens(texts, [tmp_path / f"{number}.parquet" for number in order]))
        assert [name for group in joined for name in group.ids] == ["p0", "p2", "p1", "p3"]
        expected = np.repeat([ord(hashes[row][0]) + 0.1 for row in (0, 0, 1, 3)], 2).astype(np.float32)
        np.testing.assert_array_equal(np.concatenate([group.vectors for group in joined])[:, 0], expected)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": "b", "nl": "n"}', '"lean" is missing'),
        ('{"id": "b", "nl": " ", "lean": "l"}', '"nl" is empty'),
        ('{"id": "b", "nl": "n", "lean": null}', '"lean" is missing'),
        ('{"nl": "n", "lean": "l"}', '"id" is missing'),
        ('{"id": "a", "nl": "n", "lean": "l"}', "id 'a' stands at p.jsonl line 1 already"),
        ("[]", "it is no JSON object. A row needs id, nl and lean"),
    ],
)
def test_a_pair_that_lacks_something_is_refused_by_line(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a", "nl": "n", "lean": "l"}\n' + line + "\n")
    with pytest.raises(InputError, match=rf"p\.jsonl line 2: {problem}"):
        read_pairs(path, "p.jsonl")
