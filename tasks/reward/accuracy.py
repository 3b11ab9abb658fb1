"""How often a reward model prefers the chosen answer, beside what shortcuts would say: length, and who wrote it."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.proportions import sign_test, wilson_interval
from tasks.tables import WRITERS

BINS = 5

Doubles = NDArray[np.float64]


def accuracy_by_source(pairs: pl.DataFrame, margin: Doubles, learnt: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows {source, pairs, accuracy, low, high, length_only, length_p, writer_only, writer_p}, the first over all.

    pairs, learnt: held-out and training rows with source, chosen, rejected, model_chosen, model_rejected.
    margin: [n] scores of chosen less those of rejected.  low, high: the 95 % interval of the accuracy.
    length_only, writer_only: the accuracy of guesses that know an answer's length, or the name of the model that wrote
    it, and what training pairs tell of these; the latter None where no pair says who wrote it.  A tie counts one half.
    length_p, writer_p: of the hypothesis that the guess is right as often as the model.
    """
    sign = 1 if longer_is_better(learnt) else -1
    scored = pairs.select(
        "source",
        right=_right(margin),
        right_by_length=_right(sign * length_difference(pairs)),
        right_by_writer=_right(writer_difference(pairs, learnt)),
        named=pl.col("model_chosen").is_not_null() & pl.col("model_rejected").is_not_null(),
    )
    parts = [("all", scored), *((str(source), part) for (source,), part in sorted(scored.group_by("source")))]
    return [{"source": source} | _row(part) for source, part in parts]


def accuracy_by_length(pairs: pl.DataFrame, margin: Doubles) -> list[dict[str, Any]]:
    """Rows {longer_by, pairs, accuracy, low, high}: fifths of the pairs by how much longer the chosen answer is.

    longer_by: "-120 … -13", characters of chosen less those of rejected.  Equal differences stay together.
    A model that goes by length is right in the last rows and wrong in the first, or the other way round.
    """
    scored = pl.DataFrame({"right": _right(margin), "longer": length_difference(pairs)})
    rank = scored["longer"].rank("min").to_numpy() - 1
    fifths = scored.with_columns(fifth=rank * BINS // max(1, len(scored))).sort("longer").partition_by("fifth")
    return [
        {"longer_by": f"{part['longer'].to_list()[0]} … {part['longer'].to_list()[-1]}"} | _accuracy(part)
        for part in fifths
    ]


def longer_is_better(pairs: pl.DataFrame) -> bool:
    """Whether the longer answer is chosen more often: what a guess by length would learn from training pairs."""
    return bool(_right(length_difference(pairs)).mean() >= 0.5)


def writer_difference(pairs: pl.DataFrame, learnt: pl.DataFrame) -> Doubles:
    """How much oftener the writer of chosen won in training pairs than that of rejected, in shares, [n].

    0 where a pair does not say who wrote it, or one of the two was never met.
    """
    met = pl.concat(
        [learnt.select(model=column, won=pl.lit(won)) for column, won in zip(WRITERS, (1.0, 0.0), strict=True)]
    )
    share = met.drop_nulls("model").group_by("model").agg(pl.mean("won"))
    of = dict(zip(share["model"], share["won"], strict=True))
    chosen, rejected = (pairs[column].replace_strict(of, default=None, return_dtype=pl.Float64) for column in WRITERS)
    return (chosen - rejected).fill_null(0.0).to_numpy()


def length_difference(pairs: pl.DataFrame) -> Doubles:
    """Characters of chosen less characters of rejected, [n]."""
    return (
        pairs["chosen"].str.len_chars().cast(pl.Int64) - pairs["rejected"].str.len_chars().cast(pl.Int64)
    ).to_numpy()


def _row(part: pl.DataFrame) -> dict[str, Any]:
    right, by_length, by_writer = (part[name].to_numpy() for name in ("right", "right_by_length", "right_by_writer"))
    named = part["named"].any()
    return {
        **_accuracy(part),
        "length_only": float(by_length.mean()),
        "length_p": sign_test(right, by_length),
        "writer_only": float(by_writer.mean()) if named else None,
        "writer_p": sign_test(right, by_writer) if named else None,
    }


def _accuracy(part: pl.DataFrame) -> dict[str, Any]:
    accuracy = float(part["right"].to_numpy().mean())
    low, high = wilson_interval(accuracy, len(part))
    return {"pairs": len(part), "accuracy": accuracy, "low": low, "high": high}


def _right(margin: Doubles) -> Doubles:
    return np.where(margin == 0, 0.5, (margin > 0).astype(float))
