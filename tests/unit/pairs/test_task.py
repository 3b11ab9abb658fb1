import json
from pathlib import Path

import polars as pl

from tasks.artifact import external
from tasks.pairs.params import PairsParams
from tasks.pairs.task import collect_pairs, needs_terms, resolve_sources
from tasks.prompts.task import unique_prompts
from tasks.tables import PAIRS, PROMPTS, read_table
from tasks.terms.params import TermsParams
from tasks.terms.task import generate_terms


def test_the_stages_fit_together(data_folder: Path) -> None:
    params = PairsParams(count=200)
    assert needs_terms(params)
    terms = generate_terms.fn(TermsParams(rows=2000, max_size=9))
    pairs = collect_pairs.fn(params, terms, *resolve_sources(params))
    table = read_table(pairs.part("pairs.parquet").path, PAIRS)
    assert table.height == json.loads((pairs.path / "counts.json").read_text())["pairs"] == 200
    assert (pairs.path / "bad_rows.jsonl").read_text() == ""
    prompts = read_table(unique_prompts.fn(pairs.part("pairs.parquet")).path, {**PROMPTS, "meta": pl.String})
    assert prompts["count"].sum() == 200


def test_pairs_read_back_from_a_file_are_the_same_pairs(data_folder: Path) -> None:
    terms = generate_terms.fn(TermsParams(rows=2000, max_size=9))
    made = collect_pairs.fn(PairsParams(count=200), terms, [], []).part("pairs.parquet")
    params = PairsParams(sources=[f"file:{made.path}"])
    assert not needs_terms(params)
    again = collect_pairs.fn(params, None, [external(made.path)], [])
    assert pl.read_parquet(again.path / "pairs.parquet").equals(pl.read_parquet(made.path))
