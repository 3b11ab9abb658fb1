"""Who is known and who is new; what is wrong with rows, vectors and experiments is said."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.novelty.params import DEFAULT_BATCH, Experiment, Member, read_experiments
from tasks.novelty.split import Split, split
from tasks.novelty.vectors import (
    check_sizes,
    load_precomputed_embeddings,
    prepare_embeddings_for_training,
    ready,
)
from tasks.tables import write_embeddings


def problems(**sources: list[str]) -> pl.DataFrame:
    """Rows of sources named a_b: kind b of domain a."""
    rows = [
        {"id": f"{source}-{at}", "source": source.replace("_", "/"), "problem": text, "solution": "s"}
        for source, texts in sources.items()
        for at, text in enumerate(texts)
    ]
    return pl.DataFrame(rows)


def several(word: str, count: int) -> list[str]:
    return [f"{word} {n}" for n in range(count)]


TABLE = problems(
    math_sums=several("sum", 200),
    math_proofs=several("proof", 30),
    law_cases=several("case", 30),
    art=several("art", 9),
)


def drawn(
    table: pl.DataFrame = TABLE, rows: int = 40, novel: tuple[str, ...] = ("math/proofs", "law/cases"), **of: Any
) -> Split:
    return split(
        table, "math/sums", novel, train_rows=rows, judged_rows=of.pop("judged_rows", 20), seed=of.pop("seed", 0)
    )


@given(st.integers(0, 20), st.integers(2, 60))
def test_no_row_is_both_learnt_and_judged_and_fewer_rows_are_the_first_of_more(seed: int, rows: int) -> None:
    made = drawn(seed=seed, rows=rows)
    assert len(made.known) == rows
    assert set(made.known["source"]) == {"math/sums"}
    assert not set(made.known["id"]) & set(made.judged["id"])
    assert made.judged["id"].n_unique() == len(made.judged)
    assert made.known.equals(drawn(seed=seed, rows=rows + 1).known.head(rows))
    assert made.judged.equals(drawn(TABLE.reverse(), seed=seed, rows=rows).judged)


def test_near_is_of_the_same_domain_and_validation_knows_no_tested_source() -> None:
    judged = drawn().judged
    tested = judged.filter(pl.col("novel").is_not_null(), part="test")
    assert dict(tested.select("novel", "near").unique().iter_rows()) == {"math/proofs": True, "law/cases": False}
    assert set(judged.filter(part="validation")["novel"].drop_nulls()) == {"art"}
    assert tested.group_by("novel").len()["len"].to_list() == [20, 20]


def test_a_text_that_is_repeated_stays_on_one_side() -> None:
    twice = pl.concat([TABLE, TABLE.with_columns(pl.col("id") + "-again", problem=pl.col("problem") + " ")])
    with_texts = dict(twice.select("id", "problem").iter_rows())
    made = drawn(twice)
    known = {with_texts[name].strip() for name in made.known["id"]}
    judged = [with_texts[name].strip() for name in made.judged["id"]]
    assert not known & set(judged)
    assert len(judged) == len(set(judged))  # copies would count as so many witnesses


def test_a_text_of_a_tested_source_chooses_no_detector() -> None:
    both = pl.concat([problems(art=["case 3", "art 1"]), TABLE.filter(pl.col("source") != "art")])
    judged = drawn(both, judged_rows=30).judged
    assert "law_cases-3" in judged.filter(part="test")["id"]
    assert judged.filter(part="validation", novel="art")["id"].to_list() == ["art-1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"novel": ("math/none",)}, "There is no source 'math/none'. There are: art, law/cases"),
        ({"novel": ("math/sums",)}, "A source is given twice"),
        ({"rows": 150}, r"math/sums has \d+ rows to train on .* fewer than num-train-samples 150"),
        (
            {"table": pl.concat([TABLE, problems(law_cases=["sum  7"]).with_columns(id=pl.lit("x"))])},
            "1 rows of the novel sources are also in math/sums, the first: x of law/cases says what math_sums-7 says",
        ),
        ({"table": TABLE.with_columns(problem=pl.when(pl.col("id") != "art-8").then("problem"))}, "has no problem"),
        ({"table": TABLE.with_columns(source=pl.when(pl.col("id") != "art-8").then("source"))}, "has no source"),
    ],
)
def test_what_cannot_be_split_is_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        drawn(**given)


@pytest.mark.parametrize(
    ("emb", "said"),
    [
        ([[1, 2]], "1 vector to learn from"),
        ([[1, 2], [np.nan, 1]], "row 2 is not finite"),
        ([[1, 2], [1, 2]], "All 2 vectors are the same"),
        ([[1, 2], [3, 6], [0.7, 1.4]], "All 3 vectors are the same"),
        ([[1, 2], [0, 0]], "row 2 is zero"),
    ],
)
def test_vectors_that_teach_nothing_are_refused(emb: list[list[float]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        prepare_embeddings_for_training(np.array(emb, dtype=np.float32), normalize=True)


def test_vectors_get_length_one_only_if_wanted(tmp_path: Path) -> None:
    emb = np.array([[3, 4], [0, 2]], dtype=np.float32)
    assert np.linalg.norm(ready(emb, normalize=True), axis=1) == pytest.approx([1, 1])
    assert (ready(emb, normalize=False) == emb).all()
    write_embeddings(tmp_path / "e.parquet", ["a", "b"], emb)
    assert (load_precomputed_embeddings(tmp_path / "e.parquet", ["b", "a"]) == emb[::-1]).all()
    with pytest.raises(InputError, match="no vector of 1 rows, the first 'c'"):
        load_precomputed_embeddings(tmp_path / "e.parquet", ["a", "c"])
    with pytest.raises(InputError, match="Known vectors have 2 numbers, those to judge 3"):
        check_sizes(emb, np.ones((1, 3), dtype=np.float32))


def test_the_default_batch_is_ten_experiments() -> None:
    assert len(read_experiments(DEFAULT_BATCH)) == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "cannot be read as YAML"),
        ("{}", "holds no list of experiments"),
        ("- {name: x, epochs: 3}", r"experiment 1 \(x\): epochs: Extra inputs are not permitted\. Keys: .*num_epochs"),
        ("- {name: x, predictor_layers: [8]}", r"must end alike"),
        ("- {name: x}\n- {name: x}", "two experiments named 'x'"),
        ("- {name: ../x}", "String should match pattern"),
    ],
)
def test_a_batch_that_is_none_is_said(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_experiments(tmp_path / "e.yaml")


def test_a_network_is_known_by_all_but_its_experiments_name() -> None:
    one, other, deeper = (
        Member(experiment=Experiment(name=name, num_epochs=epochs), seed=1)
        for name, epochs in (("a", 50), ("b", 50), ("a", 51))
    )
    assert one.identity() == other.identity() != deeper.identity()
