"""Batches side by side: a mean only over what all of them have."""

from typing import Any

import polars as pl

from tasks.novelty.compare import comparison_page, forest
from tasks.novelty.report import comparison_rows


def results(**auroc: float) -> pl.DataFrame:
    about: dict[str, Any] = {"experiment": "one", "encoder": "minilm", "detector": "rnd", "seed": 0}
    return pl.DataFrame([{**about, "novel_set": name, "auroc": of} for name, of in auroc.items()])


def test_the_mean_is_over_the_novel_sets_that_all_batches_have() -> None:
    rows = comparison_rows({"a": results(near=0.6, far=0.8), "b": results(near=0.7, toy=1.0)})
    assert [row["mean"] for row in rows] == [0.6, 0.7]
    lines = comparison_page(rows).splitlines()
    assert "mean: of what all batches have: near." in lines[2]
    assert [line.split(" | ")[0] for line in lines[-2:]] == ["| b", "| a"]
    assert "| – |" in lines[-1]


def test_batches_without_a_common_novel_set_are_not_ranked() -> None:
    rows = comparison_rows({"a": results(near=0.6), "b": results(toy=1.0)})
    page = comparison_page(rows)
    assert "mean: none, for no novel set is in all batches." in page
    assert page.index("| a |") < page.index("| b |")
    assert all(name in forest(rows) for name in ("near", "toy", "a: one", "b: one"))
