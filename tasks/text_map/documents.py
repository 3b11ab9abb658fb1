"""A folder of documents, as it comes: embeddings, texts and places, in JSON or Parquet.

    all_embeddings.json   [{"document_id", "embedding": [D numbers]}]
    all_metadata.json     [{"document_id", "title", "content", "authors"}]
    coordinates.json      {document_id: [x, y]}

or the same columns in all_embeddings.parquet, all_metadata.parquet and coordinates.parquet (document_id, x, y).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.errors import InputError, first_line
from tasks.tables import Floats

EMBEDDINGS, METADATA, COORDINATES = "all_embeddings", "all_metadata", "coordinates"
TEXTS = {"document_id": pl.String, "title": pl.String, "content": pl.String, "authors": pl.String}
CHUNK = 1 << 20
SHOWN = 5
FEWEST = 10
AGAIN = "Write it again."
LARGEST = 3e38
"""That float32 holds."""
_SPACE: Any = re.compile(r"\s*")


@dataclass(frozen=True)
class Documents:
    """n documents in one order."""

    texts: pl.DataFrame
    """document_id, title, content, authors (one string)."""
    emb: Floats
    """[n, D], as given."""
    places: Floats
    """[n, 2], as given."""


def read_folder(folder: Path) -> Documents:
    """Read and check all three files.

    Raises InputError where a file is missing or torn, an id is in one but not in all, or a number is not finite.
    """
    ids, emb = _embeddings(_source(folder, EMBEDDINGS))
    texts = _texts(_source(folder, METADATA))
    places = _places(_source(folder, COORDINATES))
    of_texts = {one: row for row, one in enumerate(texts["document_id"])}
    _same_ids({EMBEDDINGS: set(ids), METADATA: set(of_texts), COORDINATES: set(places)}, folder)
    if len(ids) < FEWEST:
        raise InputError(f"{folder} holds {len(ids)} documents, too few to learn a map of: give {FEWEST} at least.")
    rows = [of_texts[one] for one in ids]
    at = np.array([places[one] for one in ids], dtype=np.float32)
    if np.ptp(at, axis=0).max() == 0:
        raise InputError(f"{folder}: all coordinates are the same, so there is no map to learn.")
    return Documents(texts[rows], emb, at)


def write_folder(folder: Path, made: Documents) -> None:
    """The three JSON files, written row after row."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = made.texts["document_id"].to_list()
    vectors = ({"document_id": one, "embedding": row.tolist()} for one, row in zip(ids, made.emb, strict=True))
    _write_array(folder / f"{EMBEDDINGS}.json", vectors)
    _write_array(folder / f"{METADATA}.json", made.texts.iter_rows(named=True))
    places = {one: row.tolist() for one, row in zip(ids, made.places, strict=True)}
    (folder / f"{COORDINATES}.json").write_text(json.dumps(places))


def read_papers(path: Path) -> pl.DataFrame:
    """A table of papers with the columns of `TEXTS`; authors may be a list. Raises InputError for what is no such."""
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file ({first_line(error)}). Give papers as Parquet.") from None
    return _as_texts(table, path)


def drawn(table: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most so many rows, by lot, in the order in which they stood. Raises InputError where they are too few."""
    if len(table) < FEWEST:
        raise InputError(f"{len(table)} documents are too few for a map: give {FEWEST} at least.")
    if limit is None or limit >= len(table):
        return table
    return table[np.sort(np.random.default_rng(seed).choice(len(table), limit, replace=False))]


def items(path: Path) -> Iterator[Any]:
    """The elements of a JSON array, one after the other: a file may be larger than memory.

    Raises InputError where the file is no array or ends within one.
    """
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8") as file:
        held = file.read(CHUNK).removeprefix("\ufeff")
        at, number, is_comma_due = _SPACE.match(held, 0).end(), 0, False
        if not held.startswith("[", at):
            raise InputError(f"{path} is no JSON array, [{{…}}, …], as it must be.")
        at += 1
        while True:
            begun = _SPACE.match(held, at).end()
            if begun == len(held) and (more := file.read(CHUNK)):
                held, at = more, 0
                continue
            if held.startswith("]", begun) and (is_comma_due or not number):
                if (held[begun + 1 :] + file.read(CHUNK)).strip():
                    raise InputError(f"{path} goes on after its array has ended. Write it again, one array in a file.")
                return
            if is_comma_due:
                if not held.startswith(",", begun):
                    raise InputError(f"{path} ends or breaks after element {number}, so what follows is lost. {AGAIN}")
                at, is_comma_due = begun + 1, False
                continue
            try:
                one, at = decoder.raw_decode(held, begun)
            except RecursionError:
                raise InputError(f"{path}: element {number + 1} is nested too deeply to be read. {AGAIN}") from None
            except ValueError as error:
                more = file.read(max(CHUNK, len(held)))
                if not more:
                    raise InputError(
                        f"{path} ends or breaks within element {number + 1} ({error.args[0].split(':')[0]}), so what "
                        f"follows is lost. {AGAIN}"
                    ) from None
                held, at = held[at:] + more, 0
                continue
            number, is_comma_due = number + 1, True
            yield one


def _source(folder: Path, name: str) -> Path:
    found = [path for path in (folder / f"{name}.parquet", folder / f"{name}.json") if path.is_file()]
    if len(found) == 2:
        raise InputError(f"{folder} holds both {name}.parquet and {name}.json: remove the one that is not meant.")
    if found:
        return found[0]
    raise InputError(
        f"{folder} holds no {name}.json or {name}.parquet, so there is no map to learn. Give a folder with "
        f"{EMBEDDINGS}, {METADATA} and {COORDINATES}; --prepare makes one of papers."
    )


def _embeddings(path: Path) -> tuple[list[str], Floats]:
    if path.suffix == ".parquet":
        return _embeddings_of_table(path)
    ids: list[str] = []
    vectors: list[Floats] = []
    for number, one in enumerate(_objects(path, ("document_id", "embedding"))):
        ids.append(_identifier(one["document_id"], path, number))
        vector = _vector(one["embedding"])
        if vector.ndim != 1 or not vector.size or (vectors and vector.shape != vectors[0].shape):
            wanted = f"{len(vectors[0])} numbers, as the first" if vectors else "a list of numbers"
            raise InputError(f"{path}: the embedding of {ids[-1]!r} is not {wanted}. Embed it again or leave it out.")
        vectors.append(vector)
    emb = np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)
    _unique(ids, path)
    _finite(ids, emb, path, "embedding")
    return ids, emb


def _vector(given: Any) -> Floats:
    """Empty for what is no list of numbers."""
    try:
        numbers = np.asarray(given)
        if numbers.dtype.kind in "iuf":
            with np.errstate(over="ignore"):
                return numbers.astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        pass
    return np.empty(0, dtype=np.float32)


def _embeddings_of_table(path: Path) -> tuple[list[str], Floats]:
    table = _table(path, ("document_id", "embedding"))
    ids = [_identifier(one, path, number) for number, one in enumerate(table["document_id"])]
    _unique(ids, path)
    column = table["embedding"]
    if column.null_count():
        one = ids[int(column.is_null().arg_true()[0])]
        raise InputError(f"{path}: {one!r} has no embedding. Embed it or leave it out.")
    sizes = set(column.list.len().to_list() if column.dtype == pl.List else [getattr(column.dtype, "size", None)])
    inner = getattr(column.dtype, "inner", None)
    if len(sizes) != 1 or None in sizes or 0 in sizes or inner is None or not inner.is_numeric():
        raise InputError(f"{path}: embedding must hold lists of numbers of one length, not {column.dtype}.")
    try:
        emb = np.ascontiguousarray(column.explode().cast(pl.Float32).to_numpy()).reshape(len(ids), -1)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: embedding holds no numbers ({first_line(error)}).") from None
    _finite(ids, emb, path, "embedding")
    return ids, emb


def _texts(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return _as_texts(_table(path, ()), path)
    rows = []
    for number, one in enumerate(_objects(path, ("document_id", "title", "content"))):
        rows.append(
            {
                "document_id": _identifier(one["document_id"], path, number),
                "title": _string(one["title"], "title", path, number),
                "content": _string(one["content"], "content", path, number),
                "authors": _authors(one.get("authors"), path, number),
            }
        )
    table = pl.DataFrame(rows, schema=TEXTS)
    _unique(table["document_id"].to_list(), path)
    return table


def _places(path: Path) -> Mapping[str, tuple[float, float]]:
    if path.suffix == ".parquet":
        table = _table(path, ("document_id", "x", "y"))
        ids = [_identifier(one, path, number) for number, one in enumerate(table["document_id"])]
        _unique(ids, path)
        if not all(table.schema[name].is_numeric() for name in "xy"):
            raise InputError(f"{path}: x and y must be numbers, not {table.schema['x']} and {table.schema['y']}.")
        try:
            at = table.select(pl.col("x", "y").cast(pl.Float32)).to_numpy()
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{path}: x and y must be numbers ({first_line(error)}).") from None
    else:
        try:
            read = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once(path))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path} is no JSON ({error}). {AGAIN}") from None
        if not isinstance(read, dict):
            raise InputError(f"{path} is no JSON object, {{document_id: [x, y]}}, as it must be.")
        ids = list(read)
        for one, pair in read.items():
            if not (isinstance(pair, list) and len(pair) == 2 and all(_is_number(value) for value in pair)):
                raise InputError(f"{path}: the place of {one!r} is {str(pair)[:40]}, not [x, y].")
        at = np.array([[float(value) for value in pair] for pair in read.values()], dtype=np.float32).reshape(-1, 2)
    _finite(ids, at, path, "place")
    return dict(zip(ids, map(tuple, at.tolist()), strict=True))


def _as_texts(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    missing = {"document_id", "title", "content"} - set(table.columns)
    if missing:
        raise InputError(f"{path} has no column {min(missing)}. It needs document_id, title, content and authors.")
    authors = table["authors"] if "authors" in table.columns else pl.Series([""] * len(table), dtype=pl.String)
    try:
        joined = authors.list.join(", ") if authors.dtype == pl.List else authors.cast(pl.String)
        made = table.select(pl.col("document_id", "title", "content").cast(pl.String)).with_columns(
            joined.fill_null("").alias("authors")
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: a column holds no text ({first_line(error)}).") from None
    for name in ("document_id", "title", "content"):
        if made[name].null_count():
            row = int(made[name].is_null().arg_true()[0])
            raise InputError(f"{path}: row {row + 1} has no {name}. Give it one or leave the row out.")
    _unique(made["document_id"].to_list(), path)
    return made


def _table(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file ({first_line(error)}). Write it again.") from None
    missing = set(columns) - set(table.columns)
    if missing:
        raise InputError(f"{path} has no column {min(missing)}. It needs {', '.join(columns)}.")
    return table


def _objects(path: Path, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        for number, one in enumerate(items(path)):
            if not isinstance(one, dict):
                raise InputError(f"{path}: element {number + 1} is {str(one)[:40]}, not an object.")
            missing = [key for key in keys if key not in one]
            if missing:
                raise InputError(f"{path}: element {number + 1} has no {missing[0]}. It needs {', '.join(keys)}.")
            yield one
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 JSON ({first_line(error)}).") from None


def _identifier(value: Any, path: Path, number: int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(f"{path}: element {number + 1} has the id {value!r}. Ids are texts or whole numbers.")
    return _string(str(value), "document_id", path, number)


def _string(value: Any, name: str, path: Path, number: int) -> str:
    if not isinstance(value, str):
        raise InputError(f"{path}: {name} of element {number + 1} is {str(value)[:40]}, not a text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{path}: {name} of element {number + 1} holds half a character (a surrogate). {AGAIN}"
        ) from None
    return value


def _authors(value: Any, path: Path, number: int) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _string(", ".join(value), "authors", path, number)
    return _string(value, "authors", path, number)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _once(path: Path) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """For json.loads, which would take the last of equal keys and say nothing."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _unique([key for key, _ in pairs], path)
        return dict(pairs)

    return unique


def _unique(ids: list[str], path: Path) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    twice = next(one for one in ids if one in seen or seen.add(one))  # type: ignore[func-returns-value]
    raise InputError(f"{path} names {twice!r} twice, so its row is not known. Make the ids unique.")


def _finite(ids: list[str], values: Floats, path: Path, what: str) -> None:
    wrong = ~np.isfinite(values).all(axis=1) if values.size else np.zeros(0, dtype=bool)
    if wrong.any():
        one = ids[int(np.argmax(wrong))]
        raise InputError(f"{path}: the {what} of {one!r} is not finite. Make it again or leave the document out.")


def _same_ids(sets: Mapping[str, set[str]], folder: Path) -> None:
    every = set().union(*sets.values())
    lacking = {name: sorted(every - ids) for name, ids in sets.items() if every - ids}
    if lacking:
        said = "; ".join(
            f"{name} lacks {len(ids)}: {', '.join(ids[:SHOWN])}{', …' if len(ids) > SHOWN else ''}"
            for name, ids in lacking.items()
        )
        raise InputError(f"{folder}: the three files are not of the same documents. {said}. Add or drop these ids.")


def _write_array(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write((",\n" if number else "\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")
