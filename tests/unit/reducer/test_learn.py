"""Heads: an answer does not hang on who stands beside; training goes on after a kill to the same bits."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import lambda_gen_rs as lam
import polars as pl
import pytest
import torch

from tasks.errors import InputError, TrainingError
from tasks.reducer.answers import NO_TERM, Answer
from tasks.reducer.causal import CausalReducer, new_network
from tasks.reducer.characters import END, SEPARATOR, numbers
from tasks.reducer.corpus import LEARNT, drawn_evenly, judged_terms, row_groups
from tasks.reducer.folder import load_reducer, new_reducer, save_reducer
from tasks.reducer.learn import learn
from tasks.reducer.params import Head, LearningParams
from tasks.reducer.pointer import PointerReducer
from tasks.reducer.stream import Stream
from tasks.runtime import torch_threads
from tests.unit.reducer import killed_reducer

ROOT = Path(__file__).parents[3]
HEADS = get_args(Head)


def reducer(head: Head, seed: int = 0) -> PointerReducer | CausalReducer:
    torch.manual_seed(seed)
    return new_reducer(LearningParams(head=head, width=32, layers=3)).eval()


@pytest.fixture(scope="module")
def rows(corpus: Path) -> pl.DataFrame:
    return drawn_evenly(corpus / "train", 24, 0).select(LEARNT)


@pytest.mark.parametrize("head", HEADS)
def test_a_loss_is_the_mean_of_its_rows(head: Head, rows: pl.DataFrame) -> None:
    """So that padding counts for nothing."""
    made = reducer(head)
    with torch.no_grad():
        together = float(made(*made.tensors(rows)))
        alone = [float(made(*made.tensors(rows[at]))) for at in range(len(rows))]
    assert together == pytest.approx(sum(alone) / len(alone), rel=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_does_not_hang_on_its_neighbours(head: Head, rows: pl.DataFrame) -> None:
    made = reducer(head)
    terms = [term for term in rows["term"] if len(term) < 150][:8]
    for one, alone in zip(made.answers(terms), [made.answers([term])[0] for term in terms], strict=True):
        assert one.next_term == alone.next_term
        assert one.confidence == pytest.approx(alone.confidence, rel=1e-3, abs=1e-6)


def test_the_loss_of_a_pointer_is_of_its_own_answer(rows: pl.DataFrame) -> None:
    """exp(-loss) is the probability of what is right; where that is answered, it is the confidence."""
    made = reducer("pointer")
    for at in range(len(rows)):
        row = rows[at]
        (answer,) = made.answers(row["term"].to_list())
        if answer.next_term == row["next_term"][0]:
            with torch.no_grad():
                assert answer.confidence == pytest.approx(float((-made(*made.tensors(row))).exp()), rel=1e-4)


def test_a_pointer_that_points_at_no_redex_gives_no_term(rows: pl.DataFrame) -> None:
    made = reducer("pointer")
    with torch.no_grad():
        made.network.normal.bias[0] = -100.0  # never normal form
    answers = made.answers(rows["term"].to_list())
    assert all(answer.next_term is not None for answer in answers)
    assert NO_TERM in {answer.next_term for answer in answers}


def test_a_causal_model_writes_what_it_has_learnt_by_heart() -> None:
    pairs = {"(\\.0)(\\.0)": "\\.0", "\\.0": None, "(\\.00)(\\.\\.1)": "(\\.\\.1)(\\.\\.1)"}
    rows = pl.DataFrame({"term": list(pairs), "next_term": list(pairs.values())})
    torch.manual_seed(0)
    made = CausalReducer(new_network(32, 2))
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
    with torch_threads(1):
        for _ in range(150):
            loss = made(*made.tensors(rows))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        answers = made.eval().answers(list(pairs))
    assert [answer.next_term for answer in answers] == list(pairs.values())
    assert all(answer.confidence > 0.8 for answer in answers)
    with torch.no_grad():
        single = [float((-sum_of_logs(made, term, answer)).exp()) for term, answer in pairs.items()]
    assert [answer.confidence for answer in answers] == pytest.approx(single, rel=1e-2)


def sum_of_logs(made: CausalReducer, term: str, answer: str | None) -> torch.Tensor:
    said = [*numbers(answer or ""), END]
    ids = torch.tensor([[*numbers(term), SEPARATOR, *said]])
    logs = made.network(ids).logits.log_softmax(dim=-1)[0, -len(said) - 1 : -1]
    return -logs.gather(1, torch.tensor(said)[:, None]).sum()


@pytest.mark.parametrize("head", HEADS)
def test_rows_are_right_whose_next_term_is_answered(head: Head, corpus: Path) -> None:
    rows = pl.read_parquet(corpus / "train").filter(pl.col("size") < 30)[:60]
    made = half_learnt(head, rows)
    answers = made.answers(rows["term"].to_list())
    right = [answer.next_term == next_term for answer, next_term in zip(answers, rows["next_term"], strict=True)]
    assert made.right(rows) == right
    assert 0 < sum(right) < len(right)


def half_learnt(head: Head, rows: pl.DataFrame) -> PointerReducer | CausalReducer:
    """Until some of its answers are right, not all."""
    made = reducer(head).train()
    optimizer = torch.optim.Adam(made.parameters(), lr=5e-3)
    with torch_threads(1):
        while not 0.2 * len(rows) < sum(made.right(rows)) < len(rows):
            for _ in range(5):
                loss = made(*made.tensors(rows))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return made.eval()


@pytest.mark.parametrize("head", HEADS)
def test_a_folder_gives_the_model_back(head: Head, rows: pl.DataFrame, tmp_path: Path) -> None:
    made = reducer(head)
    save_reducer(tmp_path / "model", made)
    assert {path.name for path in (tmp_path / "model").iterdir()} >= {"config.json", "model.safetensors"}
    loaded = load_reducer(tmp_path / "model")
    terms = rows["term"].to_list()[:4]
    assert loaded.answers(terms) == made.answers(terms)


def test_what_is_no_reducer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no reducer that loads"):
        load_reducer(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="'bert', no reducer"):
        load_reducer(tmp_path)
    save_reducer(tmp_path / "model", reducer("pointer"))
    weights = tmp_path / "model/model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="holds no reducer that loads"):
        load_reducer(tmp_path / "model")
    weights.write_bytes(whole)
    config = tmp_path / "model/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"blocks": [2, 1, 1]}))
    with pytest.raises(InputError, match="other weights than its config says"):
        load_reducer(tmp_path / "model")
    made = reducer("pointer")
    with torch.no_grad():
        made.network.marks[0] = float("nan")
    save_reducer(tmp_path / "nan", made)
    with pytest.raises(InputError, match="weights that are no numbers"):
        load_reducer(tmp_path / "nan")


@pytest.mark.parametrize("head", HEADS)
def test_a_killed_training_ends_in_the_same_bits(head: Head, corpus: Path, tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("killed_reducer.py"))
    killed = subprocess.run(
        [sys.executable, script, head, corpus, tmp_path / "killed", "7"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed/checkpoint.safetensors").exists()
    with torch_threads(1):
        resumed, told = killed_reducer.learned(head, corpus, tmp_path / "killed")
        calm, wanted = killed_reducer.learned(head, corpus, tmp_path / "calm")
    assert (told.rows, told.characters) == (wanted.rows, wanted.characters)
    assert [look["loss"] for look in told.history] == [look["loss"] for look in wanted.history]
    for name, of in calm.state_dict().items():
        assert torch.equal(of, resumed.state_dict()[name]), name


def test_correctness_is_followed(corpus: Path) -> None:
    stream = Stream(row_groups(corpus / "train"), [], 0.0, judged_terms([corpus]), 1000, 0)
    seen: list[tuple[int, dict[str, float]]] = []
    with torch_threads(1):
        made = learn(
            reducer("pointer"),
            stream,
            drawn_evenly(corpus / "val", 50, 0),
            steps=40,
            rate=1e-3,
            follow=lambda step, figures: seen.append((step, figures)),
        )
    assert [look["step"] for look in made.history] == list(range(2, 41, 2)) == [step for step, _ in seen]
    for look in made.history:
        assert {row["by"] for row in look["rows"]} >= {"overall", "size", "depth"}
        assert look["rows"][0]["n"] == 50
    assert made.history[-1]["loss"] < made.history[0]["loss"]
    assert 0 < made.waited < made.seconds


def test_a_loss_that_is_not_finite_ends_training(corpus: Path) -> None:
    stream = Stream(row_groups(corpus / "train"), [], 0.0, judged_terms([corpus]), 1000, 0)
    made = reducer("pointer")
    with torch.no_grad():
        made.network.marks[0] = float("inf")
    with pytest.raises(TrainingError, match="not finite after 1 steps"):
        learn(made, stream, drawn_evenly(corpus / "val", 5, 0), steps=3, rate=1e-3)


def test_answers_are_steps_of_the_term(rows: pl.DataFrame) -> None:
    """Whatever a pointer answers is one of the term's reducts: the step itself is exact."""
    for seed in range(5):
        made = reducer("pointer", seed)
        for term, answer in zip(rows["term"], made.answers(rows["term"].to_list()), strict=True):
            assert isinstance(answer, Answer)
            assert answer.next_term in {None, NO_TERM, *lam.reducts(term)}
