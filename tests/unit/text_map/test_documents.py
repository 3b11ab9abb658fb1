"""Folders of documents as they come: read, written, and refused where they are not whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import InputError
from tasks.text_map import documents
from tasks.text_map.documents import FEWEST, Documents, drawn, items, read_folder, read_papers, write_folder

IDS = [f"paper-{number}" for number in range(12)]


def made(ids: list[str] = IDS, dim: int = 5) -> Documents:
    rng = np.random.default_rng(0)
    texts = pl.DataFrame({"document_id": ids, "title": [f"On {one}" for one in ids]}).with_columns(
        pl.lit('Says "λ", and more.').alias("content"), pl.lit("A. Church, H. Curry").alias("authors")
    )
    return Documents(texts, *(rng.standard_normal((len(ids), size)).astype(np.float32) for size in (dim, 2)))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_folder(tmp_path, made())
    read = read_folder(tmp_path)
    assert read.texts.equals(made().texts)
    np.testing.assert_array_equal(read.emb, made().emb)
    np.testing.assert_array_equal(read.places, made().places)


def test_parquet_serves_as_well_and_orders_may_differ(tmp_path: Path) -> None:
    whole, turned = made(), made().texts["document_id"].reverse()
    pl.DataFrame({"document_id": IDS, "embedding": whole.emb.tolist()}).write_parquet(
        tmp_path / "all_embeddings.parquet"
    )
    texts = whole.texts.with_columns(pl.col("authors").str.split(", "))
    texts.reverse().write_parquet(tmp_path / "all_metadata.parquet")
    places = {one: place.tolist() for one, place in zip(turned, whole.places[::-1], strict=True)}
    (tmp_path / "coordinates.json").write_text(json.dumps(places))
    read = read_folder(tmp_path)
    assert read.texts.equals(whole.texts)
    np.testing.assert_array_equal(read.emb, whole.emb)
    np.testing.assert_array_equal(read.places, whole.places)


def test_whole_numbers_are_ids_too(tmp_path: Path) -> None:
    write_folder(tmp_path, made([str(number) for number in range(12)]))
    for name in ("all_embeddings", "all_metadata"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps([{**row, "document_id": int(row["document_id"])} for row in items(path)]))
    assert read_folder(tmp_path).texts["document_id"].to_list() == [str(number) for number in range(12)]


@given(
    rows=st.lists(
        st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.lists(st.floats(allow_nan=False)), st.none())),
        max_size=8,
    ),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 2]),
)
@settings(max_examples=150, deadline=None)
def test_an_array_is_read_in_pieces_as_it_is_read_whole(
    rows: list[dict[str, Any]], chunk: int, indent: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("array") / "rows.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "CHUNK", chunk)
        assert list(items(path)) == rows


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / f"{name}.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return damage


def edited(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


def without(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != key} for row in rows]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "coordinates.json").unlink(), r"holds no coordinates\.json or coordinates\.parquet"),
        (changed("all_embeddings", lambda rows: rows[1:]), r"all_embeddings lacks 1: paper-0\."),
        (changed("all_metadata", lambda rows: rows[7:]), r"all_metadata lacks 7: paper-0, .*, …\."),
        (
            changed("coordinates", lambda places: {**places, "other": [0, 1]}),
            r"all_embeddings lacks 1: other; all_metadata lacks 1: other",
        ),
        (changed("all_embeddings", lambda rows: [*rows, rows[0]]), r"names 'paper-0' twice"),
        (changed("all_embeddings", lambda rows: without(rows, "embedding")), r"element 1 has no embedding"),
        (changed("all_embeddings", lambda rows: [{**rows[0], "embedding": [1.0]}, *rows[1:]]), r"is not 1 numbers"),
        (changed("all_embeddings", lambda rows: [{**rows[0], "embedding": "five"}, *rows[1:]]), r"a list of numbers"),
        (
            changed("all_embeddings", lambda rows: [{**rows[0], "embedding": [float("nan")] * 5}, *rows[1:]]),
            r"the embedding of 'paper-0' is not finite",
        ),
        (changed("all_embeddings", lambda rows: {"rows": rows}), r"is no JSON array"),
        (changed("all_embeddings", lambda rows: [1, *rows]), r"element 1 is 1, not an object"),
        (changed("all_metadata", lambda rows: [{**rows[0], "title": None}, *rows[1:]]), r"title of element 1 is None"),
        (changed("all_metadata", lambda rows: [{**rows[0], "document_id": 1.5}, *rows[1:]]), r"has the id 1\.5"),
        (changed("coordinates", lambda places: {**places, "paper-0": [1]}), r"the place of 'paper-0' is \[1\], not"),
        (changed("coordinates", lambda places: {**places, "paper-0": [1, "2"]}), r"the place of 'paper-0' is"),
        (changed("coordinates", list), r"is no JSON object"),
        (changed("coordinates", lambda places: {one: [1, 1] for one in places}), r"all coordinates are the same"),
        (lambda folder: (folder / "coordinates.json").write_text("{"), r"is no JSON \("),
        (
            lambda folder: (folder / "all_embeddings.json").write_bytes(
                (folder / "all_embeddings.json").read_bytes()[:-40]
            ),
            r"ends or breaks within element 12",
        ),
        (lambda folder: (folder / "all_metadata.json").write_bytes(b"[\xff"), r"cannot be read as UTF-8"),
        (
            lambda folder: (folder / "all_metadata.json").rename(folder / "all_metadata.parquet"),
            r"is no readable Parquet",
        ),
        (lambda folder: (folder / "all_metadata.parquet").write_bytes(b"no"), r"holds both all_metadata\.parquet and"),
        (changed("all_embeddings", lambda rows: [{**rows[0], "embedding": ["1"] * 5}, *rows[1:]]), r"list of numbers"),
        (changed("all_embeddings", lambda rows: [{**rows[0], "embedding": [True] * 5}, *rows[1:]]), r"list of numbers"),
        (changed("all_embeddings", lambda rows: [{**rows[0], "embedding": [1e300] * 5}, *rows[1:]]), r"not finite"),
        (changed("all_metadata", lambda rows: [{**rows[0], "title": "\ud800"}, *rows[1:]]), r"half a character"),
        (lambda folder: (folder / "coordinates.json").write_text("[" * 10**6), r"is no JSON \("),
        (lambda folder: (folder / "all_metadata.json").write_text("[" * 10**6), r"element 1 is nested too deeply"),
        (lambda folder: edited(folder / "all_metadata.json", "},\n", "}\n"), r"breaks after element 1,"),
        (lambda folder: edited(folder / "all_metadata.json", "},\n", "},,\n"), r"breaks within element 2"),
        (lambda folder: edited(folder / "all_metadata.json", "\n]", ",\n]"), r"breaks within element 13"),
    ],
)
def test_what_is_not_whole_is_refused_with_the_place(damage: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    write_folder(tmp_path, made())
    damage(tmp_path)
    with pytest.raises(InputError, match=said):
        read_folder(tmp_path)


def test_too_few_documents_are_no_map(tmp_path: Path) -> None:
    few = [f"paper-{number}" for number in range(FEWEST - 1)]
    write_folder(tmp_path, made(few))
    with pytest.raises(InputError, match=r"holds 9 documents, too few"):
        read_folder(tmp_path)
    with pytest.raises(InputError, match=r"9 documents are too few"):
        drawn(made(few).texts, None, 0)


def test_papers_are_drawn_by_seed_in_their_order(tmp_path: Path) -> None:
    made().texts.write_parquet(tmp_path / "papers.parquet")
    papers = read_papers(tmp_path / "papers.parquet")
    some = drawn(papers, 10, 1)["document_id"].to_list()
    assert some == drawn(papers, 10, 1)["document_id"].to_list()
    assert [one for one in IDS if one in some] == some
    assert drawn(papers, None, 0).equals(papers)
    papers.drop("content").write_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"has no column content"):
        read_papers(tmp_path / "other.parquet")
