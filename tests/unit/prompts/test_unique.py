import unicodedata
from collections import Counter

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tasks.prompts.unique import COLUMNS, unique_rows

SCHEMA = {"prompt": pl.String, "source": pl.String, "split": pl.String, "meta": pl.String}
ROW = st.tuples(
    st.sampled_from(["a", " a", "a\n", "b  c", "b c", "\u00e9", "e\u0301"]),
    st.sampled_from(["one", "two"]),
    st.just("train"),
    st.sampled_from([None, "{}"]),
)


def table(rows: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def test_spellings_of_one_prompt_are_counted_together() -> None:
    rows = [
        ("caf\u00e9 ?", "two", "eval", None),
        (" cafe\u0301\n?", "one", "eval", "{}"),
        ("tea", "one", "train", None),
    ]
    found = unique_rows(table(rows)).sort("prompt").select("prompt", "source", "count", "split", "meta").rows()
    assert found == [("caf\u00e9 ?", "one", 2, "eval", "{}"), ("tea", "one", 1, "train", None)]


@given(st.lists(ROW, max_size=30))
def test_prompts_are_those_of_a_plain_count(rows: list[tuple]) -> None:
    found = unique_rows(table(rows))
    plain = Counter(" ".join(unicodedata.normalize("NFC", row[0]).split()) for row in rows)
    assert dict(found.select("prompt", "count").rows()) == plain
    assert found.columns == COLUMNS
    assert found["id"].n_unique() == found.height


@given(st.lists(ROW, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_pairs_changes_nothing(rows: list[tuple], rng: object) -> None:
    shuffled = list(rows)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert unique_rows(table(rows)).equals(unique_rows(table(shuffled)))
