"""Diagnoses of reducers of which it is known how right they are."""

import math
from collections.abc import Sequence
from pathlib import Path

import lambda_gen_rs as lam
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.reducer.answers import ERRORS, Answer, error_of
from tasks.reducer.buckets import CUTS, bucket_of, counted, names, with_prefix
from tasks.reducer.corpus import drawn_evenly
from tasks.reducer.diagnose import (
    by_size_and_redex_depth,
    calibration,
    errors,
    figures,
    judged_steps,
    judged_wholes,
    worst,
)
from tasks.reducer.follow import LONGEST, follow
from tests.unit.reducer.masters import Guesser, Oracle, Stubborn


@pytest.fixture(scope="module")
def rows(corpus: Path) -> pl.DataFrame:
    return drawn_evenly(corpus / "test", 10**9, 0)


@pytest.fixture(scope="module")
def roots(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter((pl.col("step_k") == 0) & pl.col("complete") & (pl.col("steps_total") > 0))


def test_an_oracle_is_always_right(rows: pl.DataFrame, roots: pl.DataFrame) -> None:
    steps, wholes = judged_steps(Oracle(), rows), judged_wholes(Oracle(), roots)
    found = figures(steps, wholes)
    assert {row["task"] for row in found} == {"step", "nf", "whole"}
    assert all(row["correct"] == 1 for row in found)
    assert sum(errors(steps).values()) == 0
    assert wholes["taken"].equals(wholes["steps"].cast(pl.Int64))
    assert calibration(steps)["ece"] == 0
    assert not list(worst(steps))


def is_chance(share: float, expected: float, n: int) -> bool:
    """Whether a share of n is within four standard errors, as 1 of 16,000 is not by chance."""
    return abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / n)


def test_a_guesser_is_right_by_chance(rows: pl.DataFrame, roots: pl.DataFrame) -> None:
    steps = judged_steps(Guesser(), rows)
    redexes = [len(set(made)) and made.count(made[0]) / len(made) for made in map(lam.reducts, rows["term"])]
    expected = sum(0.5 if not chance else 0.5 * chance for chance in redexes) / len(rows)
    found = {(row["task"], row["by"]): row for row in figures(steps, judged_wholes(Guesser(), roots))}
    assert is_chance(found["step", "overall"]["correct"], expected, len(rows))
    assert is_chance(found["nf", "overall"]["correct"], 0.5, len(rows))
    assert found["whole", "overall"]["correct"] < 0.3
    made = errors(steps)
    has_redex = sum(1 for chance in redexes if chance)
    assert is_chance(made["stopped_early"] / has_redex, 0.5, has_redex)
    assert made["wrong_index"] == made["lost_copy"] == made["other"] == 0


def test_what_never_says_normal_form_is_never_right_on_the_whole(rows: pl.DataFrame, roots: pl.DataFrame) -> None:
    steps, wholes = judged_steps(Stubborn(), rows), judged_wholes(Stubborn(), roots)
    assert not wholes["said"].any()
    assert not wholes["right"].any()
    assert (wholes["taken"] == 2 * wholes["steps"]).all()
    assert errors(steps)["missed_normal_form"] == rows["is_nf"].sum()
    normal = next(row for row in figures(steps, wholes) if row["task"] == "nf")
    assert normal["correct"] == pytest.approx(1 - rows["is_nf"].mean())
    assert calibration(steps)["ece"] == pytest.approx(0.9 - steps["error"].is_null().mean())


def test_every_kind_of_error_is_known(rows: pl.DataFrame) -> None:
    found = set()
    for term, right in rows.filter(~pl.col("is_nf")).select("term", "next_term").iter_rows():
        assert error_of(term, right) is None
        assert error_of(term, None) == "stopped_early"
        assert error_of(term, "((") == error_of(term, "") == "not_a_term"
        for kind, answer in lam.wrong_steps(term).items():
            found.add(error_of(term, answer))
            assert error_of(term, answer) in {kind, "wrong_index"}
    normal = rows.filter(pl.col("is_nf"))["term"][0]
    assert error_of(normal, None) is None
    assert error_of(normal, normal) == error_of(normal, "") == "missed_normal_form"
    assert found | {"stopped_early", "missed_normal_form", "not_a_term", "other"} == set(ERRORS)


class Leaper:
    """Gives the normal form at once, whatever the steps."""

    def answers(self, terms: Sequence[str]) -> list[Answer]:
        goals = [lam.normal_form(term)[0] for term in terms]
        return [Answer(None if goal == term else goal, 1.0) for goal, term in zip(goals, terms, strict=True)]


def test_a_reduction_is_right_by_where_it_ends(roots: pl.DataFrame) -> None:
    wholes = judged_wholes(Leaper(), roots)
    assert wholes["right"].all()
    assert (wholes["taken"] == 1).all()


def test_what_is_no_term_ends_a_reduction() -> None:
    class Broken:
        def answers(self, terms: Sequence[str]) -> list[Answer]:
            return [Answer("((", 1.0) for _ in terms]

    (made,) = follow(Broken(), ["(\\.0)(\\.0)"], [1])
    assert (made.reached, made.steps, made.said) == ("(\\.0)(\\.0)", 0, False)


def test_a_reduction_that_grows_without_end_is_given_up() -> None:
    class Growing:
        def answers(self, terms: Sequence[str]) -> list[Answer]:
            return [Answer(f"(\\.{term})(\\.{term})", 1.0) for term in terms]

    (made,) = follow(Growing(), ["(\\.0)(\\.0)"], [10**6])
    assert not made.said
    assert LONGEST / 2 - 8 < len(made.reached) <= LONGEST


def test_bins_have_their_intervals(rows: pl.DataFrame) -> None:
    (one,) = calibration(judged_steps(Stubborn(), rows))["bins"]
    assert one["low"] <= one["correct"] <= one["high"] <= one["low"] + 0.1


@given(st.sampled_from(sorted(CUTS)), st.lists(st.integers(-50, 300), min_size=1))
def test_groups_are_between_their_cuts(by: str, values: list[int]) -> None:
    numbers = pl.DataFrame({by: values}).select(bucket_of(by)).to_series().to_list()
    for value, number in zip(values, numbers, strict=True):
        name = names(by)[number]
        if name.startswith("<="):
            assert value <= int(name[2:])
        elif name.startswith(">"):
            assert value > int(name[1:])
        else:
            low, _, high = name.partition("-")
            assert (int(low) < value <= int(high)) if high else value == int(name)


def test_groups_are_named_as_they_are_asked_for() -> None:
    assert names("size") == ["<=20", "20-50", "50-80", "80-150", ">150"]
    assert names("redex_depth") == ["<=2", "2-4", "4-7", ">7"]
    assert names("growth") == ["<=-1", "0", "0-10", ">10"]


def test_groups_of_a_figure_hold_all_rows_that_have_it(rows: pl.DataFrame) -> None:
    counts = counted("step", with_prefix(rows).with_columns(right=pl.lit(value=True)))
    for by in ("size", "depth", "prefix"):
        assert sum(row["n"] for row in counts if row["by"] == by) == len(rows)
    for by in ("redex_depth", "growth"):
        assert sum(row["n"] for row in counts if row["by"] == by) == (~rows["is_nf"]).sum()
    assert with_prefix(pl.DataFrame({"term": ["\\.\\.(\\.0)0", "0", "\\.0"]}))["prefix"].to_list() == [2, 0, 1]


def test_the_heat_map_counts_what_has_a_redex(rows: pl.DataFrame) -> None:
    cells = by_size_and_redex_depth(judged_steps(Oracle(), rows))
    assert sum(n for n, _ in cells.values()) == sum(right for _, right in cells.values()) == (~rows["is_nf"]).sum()


def test_the_worst_are_wrong_and_sure(rows: pl.DataFrame) -> None:
    class Sometimes(Oracle):
        def answers(self, terms: Sequence[str]) -> list[Answer]:
            return [Answer(None, len(term) / 1000) for term in terms]

    cases = list(worst(judged_steps(Sometimes(), rows)))
    assert len(cases) == 20
    longest = rows.filter(~pl.col("is_nf"))["term"].str.len_bytes().sort(descending=True)[:20]
    assert [case["confidence"] for case in cases] == [length / 1000 for length in longest]
    for case in cases:
        assert lam.step(case["term"]) == (case["right"], tuple(case["span"]))
