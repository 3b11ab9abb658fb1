"""Which of the collected pairs stay, and on which side of the split they stand."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tasks.pairs.rows import Pair
from tasks.prompt_identity import normalised, split_of
from tasks.tables import WRITERS

SCHEMA = {
    "id": pl.String,
    "source": pl.String,
    "prompt": pl.String,
    "chosen": pl.String,
    "rejected": pl.String,
    "meta": pl.String,
    "margin": pl.Float64,
    **WRITERS,
}
SAID = ["prompt", "chosen", "rejected"]
COLUMNS = ["id", "source", *SAID, "split", "meta", "margin", *WRITERS]


def as_table(pairs: Sequence[Pair]) -> pl.DataFrame:
    """Pairs as rows, exact duplicates (prompt, chosen, rejected) merged into the first, ids unique.

    An id that is missing or was met before becomes one made from the content.
    """
    rows = [vars(pair) | {"id": pair.id or pair.content_id} for pair in pairs]
    table = pl.DataFrame(rows, schema=SCHEMA).unique(SAID, keep="first", maintain_order=True)
    again = table.filter(pl.col("id").cum_count().over("id") > 1)
    made = pl.Series("made", [_content_id(row) for row in again.iter_rows(named=True)], pl.String)
    made_ids = table.join(again.select(*SAID, made), on=SAID, how="left", maintain_order="left")["made"]
    return table.with_columns(id=made_ids.fill_null(table["id"]))


def sample_over_prompts(table: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most `limit` pairs: sources as equal as they allow, within a source each prompt once before any twice.

    Prompts with many pairs (118 in alpaca_eval) thus do not crowd out the others. Order is kept.
    The choice depends on the seed and the contents, not on the order.
    """
    if limit is None or table.height <= limit:
        return table
    pair_rank = pl.col("drawn").rank("ordinal").over("source", "key")
    marked = (
        table.with_row_index("row")
        .with_columns(key=_keys(table), drawn=pl.struct(SAID).hash(seed))
        .with_columns(turn=pair_rank, prompt_drawn=pl.col("key").hash(seed + 1))
        .sort("source", "turn", "prompt_drawn", "row")
        .with_columns(place=pl.int_range(pl.len()).over("source"))
        .sort("place", pl.col("source").hash(seed), "row")
    )
    return table[marked["row"].head(limit).sort()]


def with_split(table: pl.DataFrame, eval_share: float) -> pl.DataFrame:
    """Add split, train or eval, by the normalised prompt alone, and put the columns in order."""
    split = pl.Series("split", [split_of(prompt, eval_share) for prompt in table["prompt"]], pl.String)
    return table.with_columns(split).select(COLUMNS)


def length_only_accuracy(table: pl.DataFrame) -> float:
    """Share of pairs that a guess by length alone gets right, the better of longer and shorter; ties count half."""
    if table.is_empty():
        return 0.5
    longer = table["chosen"].str.len_chars().cast(pl.Int64) - table["rejected"].str.len_chars().cast(pl.Int64)
    right = float(((longer > 0).cast(pl.Float64) + 0.5 * (longer == 0).cast(pl.Float64)).mean())  # type: ignore[arg-type]
    return max(right, 1 - right)


def figures(table: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a source: pairs, distinct prompts, those held out, and what length alone tells."""
    told = []
    for source in sorted(table["source"].unique()):
        own = table.filter(pl.col("source") == source)
        own = own.with_columns(key=_keys(own))
        told.append(
            {
                "source": source,
                "pairs": own.height,
                "prompts": own["key"].n_unique(),
                "eval_prompts": own.filter(pl.col("split") == "eval")["key"].n_unique(),
                "length_only_accuracy": round(length_only_accuracy(own), 3),
            }
        )
    return told


def _keys(table: pl.DataFrame) -> pl.Series:
    known = {prompt: normalised(prompt) for prompt in table["prompt"].unique()}
    return pl.Series("key", [known[prompt] for prompt in table["prompt"]], pl.String)


def _content_id(row: dict[str, Any]) -> str:
    return Pair(row["source"], row["prompt"], row["chosen"], row["rejected"]).content_id
