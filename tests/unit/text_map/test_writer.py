"""Writers: losses against slow twins, what is sampled, searched and kept; one that transformers saved learns too."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from tasks.runtime import torch_threads
from tasks.scratch import small_llama, train_tokenizer
from tasks.text_map.edit import EditProposer, edited
from tasks.text_map.judge_texts import judge
from tasks.text_map.params import GenerationParams, WritingParams
from tasks.text_map.search import Candidate, repetition, search
from tasks.text_map.speak import SpokenProposer
from tasks.text_map.wording import token_f1, wordings
from tasks.text_map.writer import Speaker, Writer, padded
from tasks.text_map.writers import learn, load_writer, save_editor, save_writer
from tests.unit.text_map import toy

SMALL = WritingParams(epochs=60, batch_size=32, vocabulary=400, hidden=48, layers=2, max_length=20)
HOW = GenerationParams(samples=8, num_beams=2, max_length=20, embedding_tolerance=0.02)
KNOWN, NEW = toy.texts(400, 0)[:360], toy.texts(400, 0)[360:]


def fresh(seed: int = 0) -> Speaker:
    tokenizer = train_tokenizer(KNOWN, 400)
    torch.manual_seed(seed)
    writer = Writer(small_llama(tokenizer, hidden=32, layers=1, heads=4, positions=40, seed=seed), toy.DIM, 3)
    return Speaker(writer, tokenizer, 20)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Speaker:
    with torch_threads(1):
        return learn(KNOWN, toy.embed(KNOWN), SMALL, None, tmp_path_factory.mktemp("work"), lambda share: None)


def test_a_tokens_logits_depend_on_what_stands_before_it_alone() -> None:
    speaker, emb = fresh(), torch.from_numpy(toy.embed(KNOWN[:2]))
    ids, _ = padded([[5, 6, 7, 8], [9, 10, 11, 12]], 0)
    whole = speaker.writer.logits(emb, ids)
    for at in range(4):
        cut = ids.clone()
        cut[:, at:] = 1
        torch.testing.assert_close(speaker.writer.logits(emb, cut)[:, at], whole[:, at], rtol=1e-4, atol=1e-5)


def test_losses_are_those_of_slow_readable_twins() -> None:
    speaker, emb = fresh(), torch.from_numpy(toy.embed(KNOWN[:3]))
    texts = [[5, 6, 1], [7, 7, 8, 9, 1], [2, 1]]
    ids, lengths = padded(texts, 1)
    logits = speaker.writer.logits(emb, ids)
    said = [logits[row, at].log_softmax(0)[token] for row, text in enumerate(texts) for at, token in enumerate(text)]
    torch.testing.assert_close(speaker.writer.loss(emb, ids, lengths), -torch.stack(said).mean())
    likely = speaker.likelihoods(emb.numpy(), [text[:-1] for text in texts])
    np.testing.assert_allclose(likely[0], float(torch.stack(said[:3]).mean().detach()), rtol=1e-4)
    odds = speaker.writer.bag(emb * math.sqrt(toy.DIM))
    there = torch.zeros_like(odds)
    for row, text in enumerate(texts):
        there[row, text] = 1
    twin = -(there * odds.sigmoid().log() + (1 - there) * (1 - odds.sigmoid()).log()).sum(1).mean()
    torch.testing.assert_close(speaker.writer.bag_loss(emb, ids, lengths), twin, rtol=1e-4, atol=1e-4)


def test_samples_begin_as_they_are_told_and_repeat_for_a_seed() -> None:
    speaker, emb = fresh(), toy.embed(KNOWN[:4])
    begun = [[], [5], [6, 7], [8]]
    one, again, other = (speaker.sampled(emb, begun, temperature=1.0, top_k=40, seed=seed) for seed in (0, 0, 1))
    assert one == again != other
    assert all(made[: len(start)] == start for made, start in zip(one, begun, strict=True))
    assert all(len(made) <= 20 for made in one)
    beams = speaker.beams(emb, 3)
    assert [len(of) for of in beams] == [3] * 4


def test_the_likeliest_beam_comes_first(small: Speaker) -> None:
    """By the probabilities of which the bag of words is a part."""
    emb = toy.embed(NEW[:5])
    for row, some in enumerate(small.beams(emb, 3)):
        likely = small.likelihoods(np.repeat(emb[row : row + 1], 3, axis=0), some)
        assert (np.diff(likely) <= 1e-4).all()


def test_what_is_written_is_nearer_than_the_nearest_text_and_rounds_never_lose(small: Speaker) -> None:
    judged = judge(NEW, toy.embed(NEW), KNOWN, toy.embed(KNOWN), SpokenProposer(small), toy.embed, "small", HOW)
    assert judged.metrics["cosine"]["small"] > judged.metrics["cosine"]["nearest_text"] + 0.03
    assert judged.metrics["token_f1"]["small"] > judged.metrics["token_f1"]["nearest_text"]
    cosine = [one["cosine"] for one in judged.rounds]
    assert cosine == sorted(cosine)
    assert judged.rounds[-1]["token_f1"] >= judged.rounds[0]["token_f1"]
    assert set(judged.metrics) == {
        *("average_embedding_distance", "average_iterations", "convergence_rate"),
        *("cosine", "token_f1", "bleu", "exact_match"),
    }
    assert judged.metrics["average_embedding_distance"]["small"] == pytest.approx(1 - cosine[-1], abs=1e-6)


def test_a_kept_writer_writes_the_same(small: Speaker, tmp_path: Path) -> None:
    save_writer(tmp_path / "vec2text", small, {"backend": "small"})
    files = {path.name for path in (tmp_path / "vec2text").iterdir()}
    assert files == {"config.json", "model.safetensors", "tokenizer.json"}
    loaded, config = load_writer(tmp_path / "vec2text")
    emb = toy.embed(NEW[:6])
    assert loaded.first(emb, HOW) == SpokenProposer(small).first(emb, HOW)
    assert config["dim"] == toy.DIM


SPECIAL = ["<pad>", "</s>", "<unk>"]


def t5() -> PreTrainedModel:
    config = T5Config(
        vocab_size=len(SPECIAL) + len(toy.WORDS),
        d_model=48,
        d_kv=12,
        d_ff=96,
        num_layers=1,
        num_heads=4,
        dropout_rate=0.0,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return T5ForConditionalGeneration(config)


def gpt2() -> PreTrainedModel:
    """Of DialoGPT's kind: positions are learnt, and it names no padding."""
    size = len(SPECIAL) + len(toy.WORDS)
    config = GPT2Config(vocab_size=size, n_embd=48, n_layer=1, n_head=4, n_positions=40, bos_token_id=1, eos_token_id=1)
    return GPT2LMHeadModel(config)


@pytest.mark.parametrize("made", [t5, gpt2])
def test_a_model_that_was_saved_learns_to_write_too(made: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    vocabulary = {word: at for at, word in enumerate([*SPECIAL, *toy.WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    padding = {"pad_token": "<pad>"} if made is t5 else {}
    own = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", **padding)
    torch.manual_seed(0)
    folder = tmp_path / "model"
    made().save_pretrained(folder)
    own.save_pretrained(folder)
    params = WritingParams(backend="hf", epochs=60, batch_size=32, max_length=20)
    with torch_threads(1):
        speaker = learn(KNOWN, toy.embed(KNOWN), params, folder, tmp_path / "work", lambda share: None)
    save_writer(tmp_path / "vec2text", speaker, {"backend": "hf"})
    proposer, _ = load_writer(tmp_path / "vec2text")
    judged = judge(NEW, toy.embed(NEW), KNOWN, toy.embed(KNOWN), proposer, toy.embed, "hf", HOW)
    assert judged.metrics["cosine"]["hf"] > judged.metrics["cosine"]["nearest_text"]
    assert judged.metrics["token_f1"]["hf"] > judged.metrics["token_f1"]["nearest_text"]


def test_texts_are_found_without_a_network(tmp_path: Path) -> None:
    save_editor(tmp_path / "vec2text", KNOWN, toy.embed(KNOWN), {"backend": "retrieve_edit"})
    proposer, _ = load_writer(tmp_path / "vec2text")
    rounds = list(search(toy.embed(NEW), proposer, toy.embed, HOW))
    assert rounds[0].cosines.mean() < rounds[-1].cosines.mean() - 0.02
    for before, after in pairwise(rounds):
        assert (after.cosines >= before.cosines).all()
    np.testing.assert_allclose(
        np.einsum("nd,nd->n", toy.embed(rounds[-1].texts), toy.embed(NEW)), rounds[-1].cosines, rtol=1e-5
    )


def test_a_target_that_is_near_enough_is_left_alone() -> None:
    proposer = EditProposer(KNOWN, toy.embed(KNOWN))
    (only,) = search(toy.embed(KNOWN[:5]), proposer, toy.embed, HOW)
    assert only.texts == KNOWN[:5]
    none = GenerationParams(samples=4, max_correction_iterations=0)
    assert len(list(search(toy.embed(NEW[:2]), proposer, toy.embed, none))) == 1


def test_likelihood_prefers_pairs_of_words_that_were_met() -> None:
    proposer = EditProposer(["deep learning model"] * 20 + ["sparse graph kernel"] * 20, toy.embed(KNOWN[:40]))
    likely = proposer.likelihoods(
        toy.embed(KNOWN[:3]),
        [Candidate("deep learning model"), Candidate("model deep learning"), Candidate("zzz zzz zzz")],
    )
    assert likely[0] > likely[1] > likely[2]


def test_edits_change_two_words_at_most() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        made = edited("deep sparse graph", ["fast", "robust"], rng).split()
        assert made
        assert abs(len(made) - 3) <= 2
        assert set(made) <= {"deep", "sparse", "graph", "fast", "robust"}


@pytest.mark.parametrize(
    ("written", "true", "f1"),
    [
        ("a b c", "a b c", 1.0),
        ("A b", "a B", 1.0),
        ("a a b", "a b b", 2 / 3),
        ("a", "b", 0.0),
        ("", "", 1.0),
        ("", "a", 0),
    ],
)
def test_token_f1_is_that_of_bags_of_words(written: str, true: str, f1: float) -> None:
    assert token_f1(written, true) == pytest.approx(f1)


def test_wordings_and_repetition() -> None:
    found = wordings(["the cat sat on the mat", "x"], ["the cat sat on the mat", "y"])
    assert found["exact_match"] == 0.5
    assert found["token_f1"] == 0.5
    assert 50 < found["bleu"] < 100
    assert repetition("a b a a") == 0.5
    assert repetition("") == 0.0
