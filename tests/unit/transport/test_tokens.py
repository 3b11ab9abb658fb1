"""Two tables read as pairs: matched by id, split by sequence."""

from pathlib import Path

import numpy as np
import pytest

from tasks.errors import InputError
from tasks.token_vectors import Tokens, write_tokens
from tasks.transport.params import SplitParams
from tasks.transport.tokens import PARTS, Pairs, read_pairs, split

LENGTHS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3] * 4)
IDS = [f"row-{number}" for number in range(len(LENGTHS))]


def table(path: Path, ids: list[str], lengths: np.ndarray, dim: int = 3) -> Path:
    """A token's first number is its sequence's, its second its place."""
    vectors = np.zeros((lengths.sum(), dim), dtype=np.float32)
    vectors[:, 0] = np.repeat([int(name.rpartition("-")[2]) for name in ids], lengths)
    vectors[:, 1] = np.concatenate([np.arange(length) for length in lengths])
    write_tokens(path, [Tokens(ids, lengths, vectors)], dim)
    return path


def test_partners_stand_side_by_side_though_the_tables_differ_in_order(tmp_path: Path) -> None:
    nl = table(tmp_path / "nl.parquet", IDS, LENGTHS)
    order = np.random.default_rng(0).permutation(len(IDS))
    lean = table(tmp_path / "lean.parquet", [IDS[at] for at in order], LENGTHS[order])
    parts = read_pairs(nl, lean, 3, SplitParams())
    assert sorted(name for part in parts.values() for name in part.ids) == sorted(IDS)
    assert {part: len(of.ids) for part, of in parts.items()} == {"train": 28, "validation": 4, "test": 8}
    for of in parts.values():
        np.testing.assert_array_equal(of.nl, of.lean)
        named = np.repeat([int(name.rpartition("-")[2]) for name in of.ids], of.lengths)
        np.testing.assert_array_equal(of.nl[:, 0], named)
        assert [len(rows) for rows in of.groups] == of.lengths.tolist()
    assert read_pairs(nl, lean, 3, SplitParams(), ["train"]).keys() == {"train"}


def test_a_split_depends_on_ids_and_seed_alone() -> None:
    sizes = dict(zip(IDS, LENGTHS.tolist(), strict=True))
    turned = dict(reversed(sizes.items()))
    assert split(sizes, SplitParams()) == split(turned, SplitParams())
    assert split(sizes, SplitParams()) != split(sizes, SplitParams(seed=1))


def test_sequences_beyond_the_most_tokens_are_left_out_and_counted(tmp_path: Path) -> None:
    ids, lengths = [f"row-{number}" for number in range(40)], np.full(40, 10)
    nl, lean = (table(tmp_path / f"{side}.parquet", ids, lengths) for side in ("nl", "lean"))
    whole, cut = (read_pairs(nl, lean, 3, SplitParams(max_tokens=most)) for most in (100_000, 100))
    assert {part: (len(of.ids), of.left_out) for part, of in cut.items()} == {
        "train": (10, 18),
        "validation": (4, 0),
        "test": (8, 0),
    }
    assert all(whole[part].ids[: len(cut[part].ids)] == cut[part].ids for part in PARTS)
    assert not any(of.left_out for of in whole.values())


def test_every_token_of_every_sequence_is_as_likely_to_be_sampled() -> None:
    lengths = np.array([10, 2, *[30] * 100])
    empty = np.empty((lengths.sum(), 0), dtype=np.float32)
    pairs = Pairs([f"{number}" for number in range(102)], lengths, empty, empty)
    assert [len(rows) for rows in pairs.sampled(10_000)] == lengths.tolist()
    some = pairs.sampled(1500)
    rows = np.concatenate(some)
    assert len(np.unique(rows)) == 1500
    assert (np.diff(rows) > 0).all()
    assert len(some) >= 100
    within = (rows[rows >= 12] - 12) % 30
    assert np.bincount(within, minlength=30).min() > 30  # 50 are expected of each place
    assert all((np.searchsorted(np.cumsum(lengths), of, side="right") == at).all() for at, of in enumerate(some[:2]))


@pytest.mark.parametrize(
    ("ids", "lengths", "dim", "said"),
    [
        (["row-99", *IDS[1:]], LENGTHS, 3, r"2 ids stand in one file only, such as 'row-0' in .*nl\.parquet"),
        (IDS[:-1], LENGTHS[:-1], 3, r"1 ids stand in one file only, such as 'row-39' in .*nl\.parquet"),
        (IDS, LENGTHS + 1, 3, r"'row-0' has 3 tokens in .*nl.parquet and 4 in .*, 40 such ids"),
        (IDS, LENGTHS, 4, r"has a token vector of 4 numbers, where 3 are needed"),
    ],
)
def test_tables_that_do_not_match_are_refused(
    ids: list[str], lengths: np.ndarray, dim: int, said: str, tmp_path: Path
) -> None:
    nl, lean = table(tmp_path / "nl.parquet", IDS, LENGTHS), table(tmp_path / "lean.parquet", ids, lengths, dim)
    with pytest.raises(InputError, match=said):
        read_pairs(nl, lean, 3, SplitParams())


def test_too_few_sequences_are_refused(tmp_path: Path) -> None:
    nl = table(tmp_path / "nl.parquet", IDS[:7], LENGTHS[:7])
    with pytest.raises(InputError, match=r"holds 7 sequences; .* needs 8 at least"):
        read_pairs(nl, nl, 3, SplitParams())
