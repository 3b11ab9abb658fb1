"""Reduction against the slow twin in Python, and known terms."""

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
