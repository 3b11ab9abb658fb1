"""What is embedded, each known by the hash of what it says: prompts, prompts with an answer, or pairs of statements.

A pair's sides, nl and lean, stand in the columns prompt and assistant.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.artifact import Artifact
from tasks.errors import InputError
from tasks.rows import read_rows
from tasks.tables import Floats, read_embeddings, read_table
from tasks.token_vectors import Tokens, read_tokens

COLUMNS = ("id", "prompt", "assistant")
OPTIONAL = "assistant"
PAIR = ("id", "nl", "lean")
NL, LEAN = "nl_embeddings.parquet", "lean_embeddings.parquet"
"""Token vectors of a pair's sides, in a shard and in the result."""
TEXTS = {"id": pl.String, "prompt": pl.String, "assistant": pl.String}
SHARD_CHARACTERS = 1_000_000
"""10 to 20 seconds of MiniLM on two cores."""
MOST_SHARDS = 800
"""Of one run: Prefect keeps a record for each."""


def read_conversations(path: Path, shown: str) -> pl.DataFrame:
    """JSONL or Parquet rows with id, prompt and, optionally, assistant: columns id, prompt, assistant (or null).

    shown: the file's name in messages. Raises InputError, with the line, for a row without id or prompt, for what is
    no text, and for an id that came before.
    """
    return _read(path, shown, COLUMNS)


def read_pairs(path: Path, shown: str) -> pl.DataFrame:
    """JSONL or Parquet rows with id, nl and lean: columns id, prompt, assistant. As `read_conversations` otherwise."""
    return _read(path, shown, PAIR)


def _read(path: Path, shown: str, columns: tuple[str, ...]) -> pl.DataFrame:
    needed = _listed([name for name in columns if name != OPTIONAL])
    if not path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson", ".parquet")):
        raise InputError(f"{shown} is of no known kind. Give .jsonl, .jsonl.gz or .parquet with {needed}.")
    seen: dict[str, str] = {}
    rows = []
    for met in read_rows(path, shown, columns):
        where = f"{met.where} {met.number}"
        if met.row is None:
            raise InputError(f"{where}: {met.problem}. A row needs {needed}; mend it.")
        row = _conversation(met.row, columns, where)
        if before := seen.get(row[0]):
            raise InputError(
                f"{where}: id {row[0]!r} stands at {before} already, so a vector could not be found by its id. "
                "Make the ids unique."
            )
        seen[row[0]] = where
        rows.append(row)
    if not rows:
        raise InputError(f"{shown} holds no rows, so there is nothing to embed. Give at least one.")
    return pl.DataFrame(rows, schema=TEXTS, orient="row")


def read_hashed(path: Path) -> pl.DataFrame:
    """A table of texts, checked and with hashes."""
    return with_hashes(read_table(path, {name: TEXTS[name] for name in ("id", "prompt")}))


def read_shard(path: Path) -> pl.DataFrame:
    """A table that `cut` made."""
    return read_table(path, {name: pl.String for name in ("text", "prompt", "assistant")})


def with_hashes(texts: pl.DataFrame) -> pl.DataFrame:
    """id, prompt, assistant, and in `text` 32 hexadecimal digits of what prompt and assistant say.

    texts: id, prompt, and assistant where there is one; other columns are left out.
    Raises InputError for no rows, a repeated id or an empty prompt.
    """
    if texts.is_empty():
        raise InputError("There are no prompts to embed. Give at least one, or loosen the filters before this stage.")
    repeated = texts["id"].filter(texts["id"].is_duplicated())
    if len(repeated):
        raise InputError(
            f"prompt id {repeated[0]!r} stands on {int((repeated == repeated[0]).sum())} rows, so its vector could "
            "not be found by its id. Make the ids unique."
        )
    empty = texts.with_row_index("row").filter(pl.col("prompt").fill_null("").str.strip_chars() == "")
    if len(empty):
        raise InputError(
            f"prompt {empty['id'][0]!r} (row {empty['row'][0] + 1}) is empty, {len(empty)} such rows in all. An empty "
            "text has no meaning to place on a map. Drop these rows."
        )
    assistant = (
        pl.col("assistant").cast(pl.String)
        if "assistant" in texts.columns
        else pl.lit(None, pl.String).alias("assistant")
    )
    table = texts.select("id", "prompt", assistant)
    hashes = [text_hash(prompt, answer) for prompt, answer in table.select("prompt", "assistant").iter_rows()]
    return table.with_columns(text=pl.Series(hashes, dtype=pl.String))


def text_hash(prompt: str, assistant: str | None) -> str:
    """32 hexadecimal digits of a prompt and its answer."""
    said = f"{len(prompt)}:{prompt}{assistant or ''}"
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def covering(wanted: pl.Series, shards: Iterable[Artifact]) -> tuple[list[Artifact], int]:
    """Of the shards, in their order, each that is whole and holds a wanted hash that none before it holds.

    And the number of wanted hashes that none of them holds.
    """
    missing = pl.DataFrame({"text": wanted.unique()})
    needed = []
    for shard in shards:
        if missing.is_empty():
            break
        try:
            left = missing.join(_hashes(shard.path), on="text", how="anti")
        except (pl.exceptions.PolarsError, OSError):
            continue
        if len(left) < len(missing) and shard.take():
            needed.append(shard)
            missing = left
    return needed, len(missing)


def gather(wanted: pl.Series, shards: Sequence[Path]) -> Floats:
    """The vector of each wanted hash, [n, D], from shards that hold all of them."""
    rows = pl.DataFrame({"text": wanted}).with_row_index("row")
    emb: Floats | None = None
    for shard in shards:
        ids, vectors = read_embeddings(shard)
        held = rows.join(pl.DataFrame({"text": ids}).with_row_index("at"), on="text")
        emb = np.empty((len(rows), vectors.shape[1]), dtype=np.float32) if emb is None else emb
        emb[held["row"].to_numpy()] = vectors[held["at"].to_numpy()]
    if emb is None:
        raise ValueError("without a shard there are no vectors")
    return emb


def gather_tokens(texts: pl.DataFrame, shards: Sequence[Path]) -> Iterator[Tokens]:
    """Token vectors of each text under its ids, from files that hold all of them, in a stream.

    texts: id and text (the hash).  Rows come in the order of the shards, these in that of the first text which each
    holds: the texts' own order where one run made the shards.
    """
    left: dict[str, list[str]] = {}
    for name, text in texts.select("id", "text").iter_rows():
        left.setdefault(text, []).append(name)
    first = {text: row for row, text in enumerate(left)}
    begins = {shard: min(first.get(text, len(first)) for text in _hashes(shard)["text"]) for shard in shards}
    for shard in sorted(shards, key=begins.__getitem__):
        for group in read_tokens(shard):
            found = [(row, name) for row, text in enumerate(group.ids) for name in left.pop(text, [])]
            if found:
                yield group.take([row for row, _ in found], [name for _, name in found])
    if left:
        raise ValueError("a text stands in no shard, so it has no vectors")


def cut(texts: pl.DataFrame, known: Sequence[Path], share: float = 1.0) -> list[pl.DataFrame]:
    """The texts that no known shard holds, each once, in shards of about equal length.

    texts: of `read_hashed`.  share: of a shard's usual length.  Returns tables of text (the hash), prompt, assistant.
    """
    there = pl.concat([pl.DataFrame(schema={"text": pl.String}), *map(_hashes, known)])
    new = texts.unique("text", keep="first", maintain_order=True).join(
        there, on="text", how="anti", maintain_order="left"
    )
    characters = new.select(
        (pl.col("prompt").str.len_chars() + pl.col("assistant").str.len_chars().fill_null(0)).cum_sum()
    ).to_series()
    size = max(int(SHARD_CHARACTERS * share), int(characters[-1]) // MOST_SHARDS + 1) if len(new) else 1
    shards = new.select("text", "prompt", "assistant").with_columns(shard=characters // size)
    return [shard.drop("shard") for shard in shards.partition_by("shard", maintain_order=True)]


def turns(texts: pl.DataFrame) -> Iterator[list[str]]:
    """What is said in each text, in turns: the prompt, and the answer where there is one."""
    for prompt, assistant in texts.select("prompt", "assistant").iter_rows():
        yield [prompt] if assistant is None else [prompt, assistant]


def _hashes(shard: Path) -> pl.DataFrame:
    return pl.read_parquet(shard / NL if shard.is_dir() else shard, columns=["id"]).rename({"id": "text"})


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _conversation(row: Mapping[str, Any], columns: tuple[str, ...], where: str) -> tuple[str, str, str | None]:
    name, prompt, assistant = (row.get(column) for column in columns)
    if not isinstance(name, str | int) or isinstance(name, bool) or str(name).splitlines() != [str(name)]:
        raise InputError(f"{where}: {_problem('id', name)}, so its vector could not be found by it. Give one.")
    for column, text in zip(columns[1:], (prompt, assistant), strict=True):
        if text is None and column == OPTIONAL:
            continue
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}: {_problem(column, text)}, so it has no meaning to place. Mend the row.")
        _check_utf8(column, text, where)
    _check_utf8("id", str(name), where)
    return str(name), str(prompt), assistant


def _problem(column: str, value: Any) -> str:
    if value is None:
        return f'"{column}" is missing'
    if isinstance(value, str):
        return f'"{column}" {"is empty" if not value.strip() else "has a line break"}'
    return f'"{column}" is {type(value).__name__}, not text'


def _check_utf8(column: str, text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f'{where}: "{column}" is not UTF-8. Mend the row.') from None
