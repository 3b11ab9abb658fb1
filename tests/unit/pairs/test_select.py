from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pairs.collect import collect, find_sources
from tasks.pairs.params import PairsParams
from tasks.pairs.rows import Pair
from tasks.pairs.select import as_table, length_only_accuracy, sample_over_prompts, with_split
from tasks.prompt_identity import normalised, prompt_id, split_of

SHARED = Path(__file__).parents[4] / "shared" / "data"
PAIR = st.builds(
    Pair,
    st.sampled_from("ab"),
    st.sampled_from("pqrs"),
    st.sampled_from("xy"),
    st.sampled_from("zw"),
    st.sampled_from("12"),
)


@given(st.lists(PAIR, max_size=30))
def test_duplicates_are_merged_and_ids_unique(pairs: list[Pair]) -> None:
    table = as_table(pairs)
    said = [(pair.prompt, pair.chosen, pair.rejected) for pair in pairs]
    assert table.select("prompt", "chosen", "rejected").rows() == list(dict.fromkeys(said))
    assert table["id"].n_unique() == table.height


@given(st.lists(PAIR, max_size=30), st.integers(1, 12), st.integers(0, 3))
def test_a_sample_is_balanced_by_source_and_takes_each_prompt_before_any_twice(
    pairs: list[Pair], limit: int, seed: int
) -> None:
    table = as_table(pairs)
    sample = sample_over_prompts(table, limit, seed)
    assert sample.height == min(limit, table.height)
    assert sample_over_prompts(table.reverse(), limit, seed).sort("id").equals(sample.sort("id"))
    taken = {source: sample.filter(source=source).height for source in "ab"}
    for source, other in ("ab", "ba"):
        if taken[source] < taken[other] - 1:
            assert taken[source] == table.filter(source=source).height
    for source in "ab":
        own, whole = sample.filter(source=source), table.filter(source=source)
        most = own["prompt"].value_counts()["count"].max() if own.height else 0
        if most and most > 1:
            assert own["prompt"].n_unique() == whole["prompt"].n_unique()


def test_another_seed_draws_another_sample() -> None:
    table = as_table([Pair("s", f"p{n}", "c", "r") for n in range(100)])
    draws = {tuple(sample_over_prompts(table, 10, seed)["prompt"]) for seed in range(5)}
    assert len(draws) == 5


@given(st.text(max_size=30))
def test_normalising_twice_is_normalising_once(prompt: str) -> None:
    assert normalised(normalised(prompt)) == normalised(prompt)


@given(st.text(max_size=30), st.floats(0.01, 0.98))
def test_the_side_depends_on_the_normalised_prompt_alone_and_a_larger_share_only_adds(
    prompt: str, share: float
) -> None:
    side = split_of(prompt, share)
    assert split_of(f" {prompt}\n", share) == side
    if side == "eval":
        assert split_of(prompt, share + 0.01) == "eval"


def test_the_held_out_share_is_as_asked() -> None:
    held_out = sum(split_of(f"prompt {n}", 0.1) == "eval" for n in range(10_000))
    assert 900 < held_out < 1100
    assert split_of("prompt 1", 0.5) == split_of("prompt 1", 0.5)


def test_composed_and_decomposed_spellings_are_one_prompt() -> None:
    assert prompt_id("caf\u00e9  au\tlait ") == prompt_id("cafe\u0301 au\u00a0lait")
    assert prompt_id("a") != prompt_id("b")


def test_length_only_accuracy_is_the_better_of_two_guesses() -> None:
    table = pl.DataFrame({"chosen": ["aa", "a", "a", "a"], "rejected": ["b", "bb", "bb", "b"]})
    assert length_only_accuracy(table) == (2 + 0.5) / 4


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the checkout")
def test_real_preferences_are_sampled_over_all_sources() -> None:
    sources = [f"file:{SHARED / f'preferences_{name}.parquet'}" for name in ("wmt_mqm_ted", "alpaca_eval")]
    params = PairsParams(sources=sources, limit=700)
    files, revisions = find_sources(params.sources)
    found = collect(params, None, [file.path for file in files], revisions)
    assert found.counts["met"] == 26_986 + 95_264
    assert {row["pairs"] for row in found.counts["sources"]} == {100}
    assert found.pairs["margin"].null_count() == 0
    assert with_split(found.pairs, 0.1).equals(found.pairs)
