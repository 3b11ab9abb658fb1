"""Which rows are known, which are judged, and which are new."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tasks.errors import InputError
from tasks.prompt_identity import normalised, prompt_id

PROBLEMS = {"id": pl.String, "source": pl.String, "problem": pl.String, "solution": pl.String}
POOL, VALIDATION = 0.5, 0.75
"""Of the known source: up to here training rows are drawn from, up to there validation rows; the rest is tested."""


@dataclass(frozen=True)
class Split:
    """Rows of a table of problems, by id: what is learnt, and for validation and test what is known and what is new."""

    known: pl.DataFrame
    judged: pl.DataFrame  # id, part (validation or test), novel (the source, null for known rows), near


def split(
    table: pl.DataFrame,
    train_source: str,
    novel_sources: Sequence[str],
    *,
    train_rows: int,
    judged_rows: int,
    seed: int,
) -> Split:
    """Draw training rows of one source; judge held-out rows of it against rows of other sources.

    table: PROBLEMS and, where there is one, domain.  A novel source of the same domain is near, of another far.
    Sources that are neither are validation's novelty: what detector is best there is the default, so that the tested
    sets choose nothing. A text is on the same side every time, by its hash, and counts once: in the known source, else
    in a tested one.

    Raises InputError where a source is missing, has too few rows, or shares a text with the known one.
    """
    _refuse_nulls(table)
    table = with_text(table)
    _check_sources(table, [train_source, *novel_sources])
    own = _different(table.filter(source=train_source).sort("id"))
    pool = own.filter(pl.col("place") < POOL)
    if len(pool) < train_rows:
        raise InputError(
            f"source {train_source} has {len(pool)} rows to train on ({POOL:.0%} of its different texts, the rest is "
            f"for tests), fewer than num-train-samples {train_rows}. Ask for fewer, or choose a larger source."
        )
    others = table.filter(pl.col("source") != train_source)
    _refuse_shared(own, others.filter(pl.col("source").is_in(novel_sources)))
    others = _different(others.sort(~pl.col("source").is_in(novel_sources), "id"))
    others = others.join(own.select("text"), on="text", how="anti")
    tested = [_drawn(others.filter(source=name), judged_rows, seed) for name in novel_sources]
    unused = _drawn(others.filter(~pl.col("source").is_in(novel_sources)), judged_rows, seed)
    own_domain = own["domain"][0]
    parts = [
        _marked(_drawn(own.filter(pl.col("place").is_between(POOL, VALIDATION, closed="left")), judged_rows, seed)),
        _marked(_drawn(own.filter(pl.col("place") >= VALIDATION), judged_rows, seed), part="test"),
        _marked(unused, novel=pl.col("source"), near=pl.col("domain") == own_domain),
        *(_marked(of, part="test", novel=pl.col("source"), near=pl.col("domain") == own_domain) for of in tested),
    ]
    return Split(_drawn(pool, train_rows, seed), pl.concat(parts))


def with_text(table: pl.DataFrame) -> pl.DataFrame:
    """Add domain where it is missing, text, what a row says whatever its spacing, and place, a number by its hash."""
    domain = pl.col("domain") if "domain" in table.columns else pl.col("source").str.split("/").list.first()
    texts = [normalised(problem) for problem in table["problem"]]
    places = [int(prompt_id(text), 16) / 16 ** len(prompt_id(text)) for text in texts]
    return table.with_columns(domain.alias("domain"), text=pl.Series(texts), place=pl.Series(places))


def _different(rows: pl.DataFrame) -> pl.DataFrame:
    """The first row of each text."""
    return rows.unique("text", keep="first", maintain_order=True)


def _refuse_nulls(table: pl.DataFrame) -> None:
    for column in ("id", "source", "problem"):
        if table[column].null_count():
            row = int(table[column].is_null().arg_max() or 0)
            raise InputError(
                f"Row {row + 1} has no {column}, so it could not be told from others or read. Fill it in, or leave the "
                f"row out ({table[column].null_count()} rows have none)."
            )


def _check_sources(table: pl.DataFrame, names: Sequence[str]) -> None:
    there = sorted(table["source"].unique())
    for name in names:
        if name not in there:
            raise InputError(f"There is no source {name!r}. There are: {', '.join(there)}.")
    if len(set(names)) != len(names):
        raise InputError("A source is given twice among train-source and novel-sources: it would be novel to itself.")


def _refuse_shared(own: pl.DataFrame, novel: pl.DataFrame) -> None:
    shared = novel.join(own.select("text", known="id"), on="text", how="inner")
    if len(shared):
        first = shared.row(0, named=True)
        raise InputError(
            f"{len(shared)} rows of the novel sources are also in {own['source'][0]}, the first: {first['id']} of "
            f"{first['source']} says what {first['known']} says. What is known cannot be novel: leave them out."
        )


def _drawn(rows: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """At most `count` rows, by a hash of text and seed, whatever their order."""
    return rows.sort(pl.col("text").hash(seed), "id").head(count)


def _marked(
    rows: pl.DataFrame,
    part: str = "validation",
    novel: pl.Expr = pl.lit(None, pl.String),
    near: pl.Expr = pl.lit(None, pl.Boolean),
) -> pl.DataFrame:
    return rows.select("id", pl.lit(part).alias("part"), novel.alias("novel"), near.alias("near"))
