"""From a list of sources to one table of pairs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tasks.artifact import Artifact, external
from tasks.errors import InputError
from tasks.pairs.hub import Hub, resolve_revision, stream_rows
from tasks.pairs.params import PairsParams
from tasks.pairs.rows import COLUMNS, BadRowError, Pair, bad_row, pair_of, stop_at
from tasks.pairs.select import as_table, figures, length_only_accuracy, sample_over_prompts, with_split
from tasks.rows import Met, read_rows


@dataclass(frozen=True)
class Collected:
    """All pairs, the rows that were none, and the figures."""

    pairs: pl.DataFrame
    bad_rows: list[dict[str, Any]]
    counts: dict[str, Any]


def find_sources(sources: Sequence[str]) -> tuple[list[Artifact], list[str]]:
    """Files as artifacts and revisions of datasets, in the order of their sources.

    Raises InputError where a file is unreadable or the hub cannot be reached.
    """
    files = [external(source.removeprefix("file:")) for source in sources if source.startswith("file:")]
    return files, [resolve_revision(Hub.parse(source)) for source in sources if source.startswith("hf:")]


def collect(params: PairsParams, terms: Path | None, files: Sequence[Path], revisions: Sequence[str]) -> Collected:
    """Read every source, refuse or list what is no pair, merge duplicates, sample, split.

    files, revisions: those of the `file:` and `hf:` sources, in order.
    Raises InputError at a bad row (unless `skip_bad`), and where nothing is left.
    """
    pairs: list[Pair] = []
    bad: list[dict[str, Any]] = []
    paths, commits = iter(files), iter(revisions)
    for source in params.sources:
        if source == "lambda":
            pairs += _lambda(params, terms)
            continue
        rest = source.partition(":")[2]
        rows, name = (
            (read_rows(next(paths), rest, COLUMNS), Path(rest).name.partition(".")[0])
            if source.startswith("file:")
            else (stream_rows(Hub.parse(source), next(commits)), Hub.parse(source).name)
        )
        pairs += _good(rows, name, params, bad.append)
    if not pairs:
        first = f", the first: {bad[0]['where']} {bad[0]['number']}: {bad[0]['problem']}" if bad else ""
        raise InputError(
            f"{', '.join(params.sources)}: no pair in it ({len(bad)} bad rows{first}), so there is nothing to train "
            "on. Mend them, or give others."
        )
    whole = as_table(pairs)
    table = with_split(sample_over_prompts(whole, params.limit, params.seed), params.eval_share)
    counts = {
        "met": len(pairs) + len(bad),
        "bad_rows": len(bad),
        "merged_duplicates": len(pairs) - whole.height,
        "left_out_by_limit": whole.height - table.height,
        "pairs": table.height,
        "length_only_accuracy": round(length_only_accuracy(table), 3),
        "sources": figures(table),
    }
    return Collected(table, bad, counts)


def _good(
    rows: Iterator[Met], name: str, params: PairsParams, put_bad: Callable[[dict[str, Any]], None]
) -> Iterator[Pair]:
    for met in rows:
        try:
            yield pair_of(met, default_source=name, max_chars=params.max_chars)
        except BadRowError as problem:
            if not params.skip_bad:
                raise stop_at(met, problem) from None
            put_bad(bad_row(met, problem))


def _lambda(params: PairsParams, terms: Path | None) -> list[Pair]:
    from tasks.pairs.lambda_pairs import TERM_COLUMNS, lambda_pairs

    if terms is None:
        raise InputError("source lambda needs terms.parquet. Run the stage terms before, or give another source.")
    return lambda_pairs(pl.read_parquet(terms, columns=TERM_COLUMNS), params)
