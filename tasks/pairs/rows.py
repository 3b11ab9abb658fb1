"""What a source gives row by row, and when such a row is a pair."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.checker import has_checker
from tasks.errors import InputError
from tasks.pairs.shapes import ShapeError, texts_of
from tasks.rows import Met
from tasks.tables import WRITERS

NEEDED = ("prompt", "chosen", "rejected")
COLUMNS = (*NEEDED, *WRITERS, "source", "src", "id", "meta", "margin", "score_chosen", "score_rejected")
"""All that is read of a row."""


@dataclass(frozen=True)
class Pair:
    """A prompt and two answers, of which the first is the better one."""

    source: str
    prompt: str
    chosen: str
    rejected: str
    id: str = ""
    margin: float | None = None
    meta: str | None = None
    model_chosen: str | None = None
    model_rejected: str | None = None

    @property
    def content_id(self) -> str:
        """16 hexadecimal digits over all that the pair says."""
        said = "\0".join((self.source, self.prompt, self.chosen, self.rejected))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


class BadRowError(InputError):
    """A row that is no pair: what is wrong with it."""


def pair_of(met: Met, *, default_source: str, max_chars: int) -> Pair:
    """A row as a pair. Raises BadRowError with the reason where it is none."""
    if met.row is None:
        raise BadRowError(met.problem)
    row = met.row
    try:
        texts = texts_of(row)
    except ShapeError as error:
        raise BadRowError(str(error)) from None
    for name, text in zip(NEEDED, texts, strict=True):
        _check_text(name, text, max_chars)
    prompt, chosen, rejected = texts
    if chosen == rejected:
        raise BadRowError('"chosen" and "rejected" are the same')
    source = row.get("source") or row.get("src") or default_source
    if not isinstance(source, str):
        raise BadRowError(f'"source" is {type(source).__name__}, not text')
    _check_text("source", source, max_chars)
    given_id = row.get("id")
    name = str(given_id) if isinstance(given_id, str | int) else ""
    if name:
        _check_text("id", name, max_chars)
    writers = [_writer(row.get(column)) for column in WRITERS]
    return Pair(source, prompt, chosen, rejected, name, _margin(row), _meta(row.get("meta")), *writers)


def stop_at(met: Met, problem: BadRowError) -> InputError:
    """The message that a bad row ends a run with."""
    return InputError(
        f"{met.where} {met.number}: {problem}. A pair needs prompt, chosen and rejected, which are text and differ; "
        "mend it, or run with --pairs.skip-bad to drop bad rows (they are listed in bad_rows.jsonl)."
    )


def bad_row(met: Met, problem: BadRowError) -> dict[str, Any]:
    """What bad_rows.jsonl says of a row."""
    told = json.dumps(met.row, ensure_ascii=True, default=str)[:500] if met.row is not None else None
    return {"where": met.where, "number": met.number, "problem": str(problem), "row": told}


def _check_text(name: str, text: str, max_chars: int) -> None:
    if not text.strip():
        raise BadRowError(f'"{name}" is empty')
    if len(text) > max_chars:
        raise BadRowError(f'"{name}" has {len(text)} characters, more than the {max_chars} of --pairs.max-chars')
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRowError(f'"{name}" is not UTF-8') from None


def _margin(row: Mapping[str, Any]) -> float | None:
    """How much better: a column of its own, or the difference of two scores."""
    try:
        if row.get("margin") not in (None, ""):
            margin = float(row["margin"])
        else:
            margin = float(row["score_chosen"]) - float(row["score_rejected"])
    except (KeyError, TypeError, ValueError):
        return None
    return margin if math.isfinite(margin) else None


def _writer(name: Any) -> str | None:
    """Which model wrote an answer, where the row says so."""
    return name if isinstance(name, str) and name.strip() and name.isprintable() else None


def _meta(meta: Any) -> str | None:
    """What the checker needs to know; a column of that name that means something else is left out."""
    text = json.dumps(meta, sort_keys=True, default=str) if isinstance(meta, Mapping) else meta
    return text if isinstance(text, str) and has_checker(text) else None
