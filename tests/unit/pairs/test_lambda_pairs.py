import json
from pathlib import Path

import polars as pl
import pytest

from tasks.checker import NORMAL_FORM, check
from tasks.errors import InputError
from tasks.pairs.collect import collect
from tasks.pairs.lambda_pairs import lambda_pairs
from tasks.pairs.params import FamilyShares, PairsParams
from tasks.pairs.rows import Pair
from tasks.pairs.select import length_only_accuracy
from tasks.prompt_identity import normalised

PARAMS = PairsParams(count=3000)
NONE = dict.fromkeys(FamilyShares.model_fields, 0.0)


@pytest.fixture(scope="module")
def terms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import lambda_gen_rs as lam

    path = tmp_path_factory.mktemp("terms") / "terms.parquet"
    lam.write_traces(path, seed=0, rows=10_000, min_size=4, max_size=11, max_depth=10, size_limit=16, max_steps=100)
    return path


@pytest.fixture(scope="module")
def pairs(terms: Path) -> list[Pair]:
    return lambda_pairs(pl.read_parquet(terms), PARAMS)


@pytest.fixture(scope="module")
def table(terms: Path) -> pl.DataFrame:
    return collect(PARAMS, terms, [], []).pairs


def test_chosen_answers_pass_the_checker_and_rejected_ones_fail(pairs: list[Pair]) -> None:
    assert all(pair.meta and check(pair.meta, pair.chosen) and not check(pair.meta, pair.rejected) for pair in pairs)


def test_meta_and_prompt_say_the_same(pairs: list[Pair]) -> None:
    for pair in pairs:
        meta = json.loads(pair.meta or "")
        assert pair.source == f"lambda:{meta.pop('family')}"
        assert meta
        assert all(str(value) in pair.prompt for value in meta.values())


def test_families_are_as_frequent_as_asked(pairs: list[Pair]) -> None:
    found = pl.Series([pair.source.removeprefix("lambda:") for pair in pairs]).value_counts()
    assert dict(found.rows()) == {f: round(3000 * share) for f, share in PARAMS.families.model_dump().items()}


def test_length_alone_tells_little_in_every_family(table: pl.DataFrame) -> None:
    for _, family in table.group_by("source"):
        assert length_only_accuracy(family) <= 0.62
    assert length_only_accuracy(table) <= 0.6


def test_normal_form_is_claimed_as_often_wrongly_as_rightly(pairs: list[Pair]) -> None:
    right = sum(pair.chosen == NORMAL_FORM for pair in pairs)
    wrong = sum(pair.rejected == NORMAL_FORM for pair in pairs)
    assert right > 200
    assert abs(right - wrong) <= 20


def test_a_wrong_number_of_redexes_is_what_makes_redexes_wrong(pairs: list[Pair]) -> None:
    import lambda_gen_rs as lam

    asked = [pair for pair in pairs if pair.source == "lambda:make_redexes"]
    assert all(len(lam.redexes(pair.rejected)) != json.loads(pair.meta or "")["redexes"] for pair in asked)


def test_the_same_seed_gives_the_same_pairs(terms: Path, pairs: list[Pair]) -> None:
    frame = pl.read_parquet(terms)
    assert lambda_pairs(frame, PARAMS) == pairs
    assert lambda_pairs(frame, PARAMS.model_copy(update={"seed": 1})) != pairs


def test_no_pair_and_no_id_is_there_twice(table: pl.DataFrame) -> None:
    assert table["id"].n_unique() == table.height == 3000
    assert table.select("prompt", "chosen", "rejected").is_duplicated().sum() == 0


def test_prompts_and_answers_are_short(table: pl.DataFrame) -> None:
    assert table["prompt"].str.len_chars().max() <= 70
    assert table["chosen"].str.len_chars().max() <= 40


def test_no_prompt_is_on_both_sides_and_every_family_is_held_out(table: pl.DataFrame) -> None:
    sides: dict[str, str] = {}
    for prompt, split in table.select("prompt", "split").iter_rows():
        assert sides.setdefault(normalised(prompt), split) == split
    assert table.filter(split="eval")["source"].n_unique() == 5


def test_too_few_terms_are_one_clear_error(terms: Path) -> None:
    with pytest.raises(InputError, match=r"terms\.rows"):
        lambda_pairs(pl.read_parquet(terms).head(100), PARAMS)
    with pytest.raises(InputError, match="needs terms"):
        collect(PARAMS, None, [], [])


@pytest.mark.parametrize(
    "params",
    [
        PairsParams(count=5000, make_max_size=3, families=FamilyShares(**{**NONE, "make_normal": 1.0})),
        PairsParams(count=10, term_chars=5, families=FamilyShares(**{**NONE, "make_reduces": 1.0})),
    ],
    ids=["few", "none"],
)
def test_fewer_pairs_than_asked_for_are_an_error(terms: Path, params: PairsParams) -> None:
    with pytest.raises(InputError, match=f"{params.count} are asked for"):
        lambda_pairs(pl.read_parquet(terms), params)


@pytest.mark.parametrize("count", [1, 2, 11, 57])
def test_any_number_of_pairs_is_met(terms: Path, count: int) -> None:
    assert len(lambda_pairs(pl.read_parquet(terms), PairsParams(count=count))) == count
