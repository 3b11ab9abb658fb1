"""Reduction against the slow twin in Python, and known terms."""

import re
from random import Random

import lambda_gen_rs as fast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.references import slow_lambda as slow

OMEGA = "(\\.00)(\\.00)"

terms = st.recursive(
    st.integers(0, 70) | st.integers(0, 4),
    lambda inner: st.tuples(st.just("lam"), inner) | st.tuples(st.just("app"), inner, inner),
    max_leaves=25,
)


@given(terms)
@settings(max_examples=2000, deadline=None)
def test_every_function_equals_the_slow_twin(term: slow.Term) -> None:
    text = slow.write(term)
    assert str(fast.parse(text)) == text
    assert fast.step(text) == slow.step(text)
    assert fast.reducts(text) == slow.reducts(text)
    assert fast.redexes(text) == [slow.write_with_span(term, path)[1] for path in slow.redexes(term)]
    assert fast.size(text) == slow.size(term)
    assert fast.depth(text) == slow.depth(term)
    assert fast.is_closed(text) == slow.is_closed(term)


@given(terms)
@settings(max_examples=1000, deadline=None)
def test_wrong_steps_are_wrong_and_well_formed(term: slow.Term) -> None:
    text = slow.write(term)
    step, reducts = fast.step(text), fast.reducts(text)
    wrong = fast.wrong_steps(text)
    assert not wrong or step is not None
    for kind, answer in wrong.items():
        assert str(fast.parse(answer)) == answer != step[0]
        assert (answer in reducts) == (kind == "wrong_redex")
        assert fast.is_closed(answer) or not fast.is_closed(text)


@given(terms)
@settings(max_examples=1000, deadline=None)
def test_a_mistake_is_known_by_its_kind(term: slow.Term) -> None:
    text = slow.write(term)
    right = fast.step(text)
    for kind, answer in fast.wrong_steps(text).items():
        found = fast.mistake(text, answer)
        assert found == kind or (kind == "lost_copy" and found == "wrong_index" and shape(answer) == shape(right[0]))
    if right:
        assert fast.mistake(text, right[0]) is None
        assert fast.mistake(text, f"\\.{right[0]}") == "other" or f"\\.{right[0]}" in fast.reducts(text)


def shape(text: str) -> str:
    return re.sub(r"[0-9a-zA-Z]|\{\d+\}", "0", text)


@given(st.lists(terms, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=500, deadline=None)
def test_the_redex_of_a_span_is_contracted_and_no_other_span_is_one(several: list[slow.Term], random: Random) -> None:
    texts = [slow.write(term) for term in several for _ in slow.redexes(term)]
    spans = [span for term in several for span in fast.redexes(slow.write(term))]
    assert fast.contract(texts, spans) == [made for term in several for made in slow.reducts(slow.write(term))]
    for text in texts:
        start = random.randrange(len(text))
        span = (start, random.randrange(start, len(text) + 1))
        (made,) = fast.contract([text], [span])
        assert (made is None) == (span not in fast.redexes(text))


def test_spans_and_texts_are_as_many() -> None:
    with pytest.raises(ValueError, match=r"2 texts with 1 spans"):
        fast.contract(["0", "0"], [(0, 1)])
    with pytest.raises(fast.LambdaError):
        fast.contract(["(0"], [(0, 1)])
    assert fast.mistake("\\.0", "\\.\\.0") == "other"


def test_the_mistakes_are_the_ones_named() -> None:
    # λ. (λ. λ. 1 (1 0)) 0: the argument 0 must become 1 under the inner λ, twice.
    assert fast.step("\\.(\\.\\.1(10))0") == ("\\.\\.1(10)", (2, 14))
    assert fast.wrong_steps("\\.(\\.\\.1(10))0") == {"wrong_index": "\\.\\.0(00)", "lost_copy": "\\.\\.1(00)"}
    # Closed, two copies, no variable in scope: one copy is dropped with its application.
    assert fast.wrong_steps("(\\.00)(\\.\\.1)") == {"lost_copy": "\\.\\.1"}
    assert fast.wrong_steps("(\\.\\.1)(\\.0)((\\.0)(\\.0))") == {"wrong_redex": "(\\.\\.1)(\\.0)(\\.0)"}
    assert fast.wrong_steps("\\.0") == {}


def test_church_arithmetic_and_its_number_of_steps() -> None:
    two, three, plus = "\\.\\.1(10)", "\\.\\.1(1(10))", "\\.\\.\\.\\.31(210)"
    five, steps = fast.normal_form(f"({plus})({two})({three})")
    assert five == "\\.\\.1(1(1(1(10))))"
    assert fast.reduces_to(f"({plus})({two})({three})", five) == steps == 6
    assert fast.reduces_to(f"({plus})({two})({three})", five, max_steps=5) is None


def test_a_limit_is_an_error_without_a_position() -> None:
    assert fast.reduces_to(OMEGA, OMEGA) == 1
    assert fast.reduces_to("\\.0", "\\.0") is None
    for limits in ({"max_steps": 7}, {"max_steps": 10**9, "max_size": 50}):
        with pytest.raises(fast.LambdaError, match="raise max_") as caught:
            fast.normal_form("(\\.00)(\\.000)" if "max_size" in limits else OMEGA, **limits)
        assert caught.value.position is None
