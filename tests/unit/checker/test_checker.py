import json

import lambda_gen_rs as lam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.checker import NORMAL_FORM, check, has_checker

TERM = r"(\.00)((\.0)(\.0))"
LAMBDA_TEXTS = st.text(alphabet="\\.()01{} \n", max_size=40)
METAS = [
    {"family": "one_step", "term": TERM},
    {"family": "any_step", "term": TERM},
    {"family": "make_normal", "size": 4},
    {"family": "make_reduces", "target": r"\.0"},
    {"family": "make_redexes", "redexes": 1, "max_size": 7},
]


@pytest.mark.parametrize(
    ("meta", "answer", "right"),
    [
        ({"family": "one_step", "term": TERM}, r"(\.0)(\.0)((\.0)(\.0))", True),
        ({"family": "one_step", "term": TERM}, r"(\.00)(\.0)", False),
        ({"family": "any_step", "term": TERM}, r" (\.00)(\.0) ", True),
        ({"family": "any_step", "term": TERM}, NORMAL_FORM, False),
        ({"family": "one_step", "term": r"\.0"}, NORMAL_FORM, True),
        ({"family": "any_step", "term": r"\.0"}, r"\.0", False),
        ({"family": "make_normal", "size": 4}, r"\.00", True),
        ({"family": "make_normal", "size": 4}, r"\.01", False),
        ({"family": "make_normal", "size": 5}, r"(\.0)(\.0)", False),
        ({"family": "make_reduces", "target": r"\.0"}, r"(\.0)(\.0)", True),
        ({"family": "make_reduces", "target": r"\.0"}, r"\.0", False),
        ({"family": "make_reduces", "target": r"(\.00)(\.00)"}, r"(\.00)(\.00)", True),
        ({"family": "make_redexes", "redexes": 1, "max_size": 5}, r"(\.0)(\.0)", True),
        ({"family": "make_redexes", "redexes": 1, "max_size": 4}, r"(\.0)(\.0)", False),
        ({"family": "make_redexes", "redexes": 2}, r"(\.0)(\.0)", False),
    ],
)
def test_an_answer_is_right_exactly_if_the_definition_says_so(meta: dict, answer: str, right: bool) -> None:
    assert check(meta, answer) is right
    assert check(json.dumps(meta), answer) is right


def test_a_hundred_steps_reach_a_target_and_a_hundred_and_one_do_not() -> None:
    far = r"(\.0)(" * 100 + r"\.0" + ")" * 100
    target = {"family": "make_reduces", "target": r"\.0"}
    assert check(target, far)
    assert not check(target, rf"(\.0)({far})")


@given(st.sampled_from(METAS), LAMBDA_TEXTS | st.text(max_size=40))
def test_no_answer_raises(meta: dict, answer: str) -> None:
    assert check(meta, answer) in (True, False)


@pytest.mark.parametrize("answer", ["(" * 10**6, r"\." * 10**6 + "0", "(" * 1900, r"\." * 999 + "0", "0" * 10**6])
@pytest.mark.parametrize("meta", METAS)
def test_a_monstrous_answer_is_wrong(meta: dict, answer: str) -> None:
    assert not check(meta, answer)


def test_an_answer_that_grows_without_end_is_wrong() -> None:
    growing = r"(\.000)(\.000)"
    assert not check({"family": "make_reduces", "target": r"\.0"}, growing)
    doubling = r"(\.00)(" * 30 + r"\.00" + ")" * 30
    assert not check({"family": "make_reduces", "target": r"\.\.0"}, doubling)


@given(st.lists(st.sampled_from([r"(\.0)", r"(\.00)", r"(\.\.1)", r"(\.\.0)"]), min_size=1, max_size=6))
def test_the_one_step_is_among_the_any_steps(parts: list[str]) -> None:
    term = "".join(parts) if len(parts) > 1 else parts[0][1:-1]
    stepped = lam.step(term)
    answer = stepped[0] if stepped else NORMAL_FORM
    assert check({"family": "one_step", "term": term}, answer)
    assert check({"family": "any_step", "term": term}, answer)


def test_what_asks_nothing_known_has_no_checker() -> None:
    assert has_checker(json.dumps(METAS[0]))
    for meta in (None, "", "{", "[]", '{"family": "poem"}', '{"family": "one_step"}', '"one_step"'):
        assert not has_checker(meta)
    with pytest.raises(ValueError, match="poem"):
        check({"family": "poem"}, "")


@pytest.mark.parametrize(
    "meta",
    [
        {"family": "make_redexes", "redexes": 1, "max_size": None},
        {"family": "make_redexes", "redexes": 1, "max_size": "x"},
        {"family": "make_normal", "size": True},
        {"family": "one_step", "term": "((("},
        {"family": "one_step", "term": "\ud800"},
        {"family": "make_reduces", "target": 3},
        {"family": "make_reduces"},
    ],
)
def test_meta_that_asks_nothing_known_has_no_checker(meta: dict[str, object]) -> None:
    assert not has_checker(json.dumps(meta))


@pytest.mark.parametrize("meta", ["[" * 200_000, '{"family": "one_step", "term": "0"}\ud800', "null", "", None])
def test_meta_that_is_no_json_has_no_checker(meta: str | None) -> None:
    assert not has_checker(meta)
