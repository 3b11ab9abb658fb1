"""Rows of corpora, and batches of them: all once, the same wherever one goes on, none that is judged."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.reducer.characters import SYMBOLS, decoded, encoded, numbers
from tasks.reducer.corpus import (
    drawn_evenly,
    judged_terms,
    require_corpus,
    require_judged,
    row_groups,
    rows_folder,
    without,
)
from tasks.reducer.stream import Place, Stream


def stream(new: Path, old: Path | None = None, **how: object) -> Stream:
    given: dict[str, object] = {
        "new": row_groups(new / "train"),
        "old": row_groups(old / "train") if old else [],
        "mix": 0.2,
        "judged": judged_terms([new, *([old] if old else [])]),
        "characters": 2000,
        "seed": 0,
    }
    return Stream(**{**given, **how})  # type: ignore[arg-type]


def first(batches: Stream, count: int, place: Place = Place()) -> list[tuple[Place, pl.DataFrame]]:
    found = batches.batches(place)
    return [next(found) for _ in range(count)]


def rows_of_first_pool(batches: Stream) -> pl.DataFrame:
    taken = []
    for place, rows in batches.batches(Place()):
        if place.pool > 0:
            return pl.concat(taken)
        taken.append(rows)
    raise AssertionError


@given(st.lists(st.text(SYMBOLS, min_size=1), min_size=1, max_size=8))
def test_characters_come_back(texts: list[str]) -> None:
    ids, lengths = encoded(texts)
    assert [decoded(row[:length]) for row, length in zip(ids, lengths, strict=True)] == texts
    assert [list(numbers(text)) for text in texts] == [list(row[row > 0]) for row in ids]


@pytest.mark.parametrize("text", ["(λx.x) y", "\\.0 ", "é", "\0"])
def test_characters_of_another_notation_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no symbol of λ-terms"):
        encoded(["\\.0", text])


def test_every_row_comes_once_before_any_comes_again(corpus: Path) -> None:
    made = stream(corpus, judged=pl.DataFrame(schema={"term": pl.String}))
    of_split = pl.read_parquet(corpus / "train")
    assert sorted(rows_of_first_pool(made)["term"]) == sorted(of_split["term"])


def test_training_goes_on_with_the_batches_that_would_have_come(corpus: Path) -> None:
    made = stream(corpus)
    whole = first(made, 12)
    for at in (1, 5, 11):
        again = first(stream(corpus), 12 - at, whole[at - 1][0])
        assert all(one[1].equals(other[1]) for one, other in zip(whole[at:], again, strict=True))
    assert not first(stream(corpus, seed=1), 1)[0][1].equals(whole[0][1])


def test_batches_hold_their_characters_and_alike_lengths(corpus: Path) -> None:
    for _, rows in first(stream(corpus), 40):
        lengths = rows["term"].str.len_bytes()
        assert len(rows) * lengths.max() <= 2000 or len(rows) == 1
    spread = [rows["term"].str.len_bytes().std() for _, rows in first(stream(corpus), 40) if len(rows) > 3]
    everywhere = pl.read_parquet(corpus / "train")["term"].str.len_bytes().std()
    assert np.mean(spread) < 0.2 * everywhere


def test_next_terms_that_are_written_count_for_a_batch(corpus: Path) -> None:
    for _, rows in first(stream(corpus, answers=True), 40):
        read = rows["term"].str.len_bytes() + rows["next_term"].str.len_bytes().fill_null(0)
        assert len(rows) * read.max() <= 2000 or len(rows) == 1


def test_the_old_corpus_has_its_share(corpus: Path, other: Path) -> None:
    old = set(pl.read_parquet(other / "train")["term"]) - set(pl.read_parquet(corpus / "train")["term"])
    for mix in (0.0, 0.2, 0.5):
        rows = rows_of_first_pool(stream(corpus, other, mix=mix))
        assert abs(rows["term"].is_in(old).mean() - mix) < 0.02


def test_a_small_old_corpus_has_its_share_too(corpus: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(corpus / "train")
    (tmp_path / "train").mkdir()
    few = rows[:7].with_columns(term=pl.lit("few ") + pl.col("term"))
    few.write_parquet(tmp_path / "train/part-00000.parquet")
    for mix in (0.2, 0.5):
        drawn = rows_of_first_pool(stream(corpus, tmp_path, mix=mix))["term"]
        of_old = drawn.filter(drawn.is_in(few["term"].implode()))
        assert abs(len(of_old) / len(drawn) - mix) < 0.002
        times = of_old.value_counts()["count"]
        assert len(times) == len(few)
        assert times.max() - times.min() <= 1


def test_training_ends_where_no_row_is_left(corpus: Path, other: Path) -> None:
    every = pl.concat(pl.read_parquet(of / "train").select("term") for of in (corpus, other))
    with pytest.raises(InputError, match="No row is left to learn from"):
        first(stream(corpus, judged=every), 1)
    of_old = pl.read_parquet(other / "train").select("term")
    with pytest.raises(InputError, match="No row of --old-data is left"):
        first(stream(corpus, other, judged=of_old), 1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import lambda_gen_rs as lam

    folder = tmp_path_factory.mktemp("other")
    spec = lam.RunSpec(seed=4, examples=6000, profile="shallow", val_share=0.1, test_share=0.1)
    lam.write_run(folder / "terms", folder / "records", spec)
    return folder / "terms"


def test_no_term_of_a_test_set_is_learnt_from(corpus: Path, tmp_path: Path) -> None:
    """Neither as a term nor as a next one, whichever corpus it is of: here, of one with other splits of these rows."""
    rows = pl.read_parquet(corpus / "train")
    (tmp_path / "test").mkdir()
    judged = pl.concat([rows["term"][:50], rows["next_term"].drop_nulls()[200:250]]).unique()
    rows.filter(pl.col("term").is_in(judged.implode())).write_parquet(tmp_path / "test/part-00000.parquet")
    (tmp_path / "val").mkdir()
    rows.head(0).write_parquet(tmp_path / "val/part-00000.parquet")
    for excluded in (tmp_path, tmp_path / "test"):
        kept = rows_of_first_pool(stream(corpus, judged=judged_terms([corpus, excluded])))
        found = judged_terms([excluded])["term"].implode()
        assert len(kept)
        assert not kept["term"].is_in(found).any()
        assert not kept["next_term"].is_in(found).any()


def test_a_corpus_may_have_nothing_that_is_judged(corpus: Path, tmp_path: Path) -> None:
    assert judged_terms([tmp_path]).is_empty()
    (tmp_path / "val").mkdir()
    pl.read_parquet(corpus / "val").head(0).write_parquet(tmp_path / "val/part-00000.parquet")
    assert judged_terms([tmp_path]).is_empty()
    assert drawn_evenly(tmp_path / "val", 10, 0).is_empty()
    with pytest.raises(InputError, match="--exclude would keep nothing out"):
        require_judged(tmp_path)
    require_judged(corpus)
    require_judged(corpus / "test")


def test_a_stray_table_in_a_corpus_does_not_stand_for_its_splits(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "corpus")
    pl.read_parquet(corpus / "train").head(3).write_parquet(tmp_path / "corpus/all.parquet")
    assert len(judged_terms([tmp_path / "corpus"])) == len(judged_terms([corpus]))
    assert rows_folder(tmp_path / "corpus") == tmp_path / "corpus/test"


def test_rows_without_a_next_term_are_kept() -> None:
    rows = pl.DataFrame(
        {"term": ["a", "b", "c"], "next_term": [None, "c", "d"]}, schema_overrides={"next_term": pl.String}
    )
    assert without(rows, pl.DataFrame({"term": ["d"]}))["term"].to_list() == ["a", "b"]
    assert without(rows, pl.DataFrame({"term": ["b"]}))["term"].to_list() == ["a", "c"]


def test_rows_are_drawn_evenly(corpus: Path) -> None:
    every = drawn_evenly(corpus / "train", 10**9, 0)
    assert every.equals(pl.read_parquet(corpus / "train").select(every.columns))
    some = drawn_evenly(corpus / "train", 1000, 0)
    assert len(some) == 1000 == len(some.unique("term"))
    position = {term: number for number, term in enumerate(every["term"])}
    places = np.array([position[term] for term in some["term"]]) / len(every)
    assert (np.diff(places) > 0).all()
    assert abs(places.mean() - 0.5) < 0.05
    normal = drawn_evenly(corpus / "train", 10, 0, where=pl.col("is_nf"))
    assert normal["is_nf"].all()
    assert len(normal) == 10


def test_what_is_no_corpus_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match=r"holds no rows of flows.lambda_terms"):
        require_corpus(tmp_path)
    (tmp_path / "train/part-00000.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="--format parquet"):
        require_corpus(tmp_path)
    (tmp_path / "train/part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="no readable Parquet file"):
        require_corpus(tmp_path)
    pl.DataFrame({"term": ["0"]}).write_parquet(tmp_path / "train/part-00000.parquet")
    with pytest.raises(InputError, match=r"is not of flows\.lambda_terms: next_term"):
        require_corpus(tmp_path)
    pl.read_parquet(corpus / "train").head(0).write_parquet(tmp_path / "train/part-00000.parquet")
    with pytest.raises(InputError, match="has no rows to learn from"):
        require_corpus(tmp_path)
    with pytest.raises(InputError, match="has no rows to diagnose on"):
        rows_folder(tmp_path / "train")
    assert rows_folder(corpus) == rows_folder(corpus / "test") == corpus / "test"
