"""Whether an answer to a λ-prompt is right.

A prompt's meta is JSON text that says what was asked:

    family         more keys            right is
    one_step       term                 the leftmost-outermost next term, or `normal form`
    any_step       term                 any one-step reduct, or `normal form`
    make_normal    size                 a closed normal form of so many nodes
    make_reduces   target               a closed term that reduces to it in 1 to 100 leftmost-outermost steps
    make_redexes   redexes[, max_size]  a closed term with so many redexes, counted by position[, and no more nodes]

The notation gives each term one spelling, so two right answers are the same exactly if their
stripped texts are.
"""

import json
from collections.abc import Mapping
from typing import Any

import lambda_gen_rs as lam

NORMAL_FORM = "normal form"
NEEDS: dict[str, dict[str, type]] = {
    "one_step": {"term": str},
    "any_step": {"term": str},
    "make_normal": {"size": int},
    "make_reduces": {"target": str},
    "make_redexes": {"redexes": int},
}
OPTIONAL = {"max_size": int}
MAX_STEPS = 100
MAX_CHARS = 2_000  # of an answer: longer ones are wrong, so that none costs more than milliseconds
MAX_NODES = 2_000  # of a term on its way to the target


def has_checker(meta: str | None) -> bool:
    """Whether `check` knows what was asked: a family, and what it needs, numbers and terms that are some."""
    try:
        (meta or "").encode()
        asked = json.loads(meta or "null")
    except (ValueError, RecursionError):
        return False
    needed = NEEDS.get(str(asked.get("family"))) if isinstance(asked, dict) else None
    if needed is None:
        return False
    optional = {name: kind for name, kind in OPTIONAL.items() if name in asked}
    return all(_is(asked.get(name), kind) for name, kind in {**needed, **optional}.items())


def has_one_answer(meta: str) -> bool:
    """Whether no two different answers are right: a next step, a normal form, any step of a term with one redex."""
    asked = json.loads(meta)
    return asked["family"] == "one_step" or (asked["family"] == "any_step" and len(set(lam.reducts(asked["term"]))) < 2)


def _is(value: Any, kind: type) -> bool:
    if kind is int:
        return type(value) is int
    try:
        lam.parse(value)
    except (lam.LambdaError, TypeError, UnicodeError):
        return False
    return True


def check(meta: str | Mapping[str, Any], answer: str) -> bool:
    """Whether the answer is right; what is no term is wrong.

    Raises ValueError where `meta` itself asks nothing known (see `has_checker`).
    """
    asked: Mapping[str, Any] = json.loads(meta) if isinstance(meta, str) else meta
    family, answer = asked.get("family"), answer.strip()
    if len(answer) > MAX_CHARS:
        return False
    try:
        match family:
            case "one_step":
                return answer == next_term(asked["term"])
            case "any_step":
                return answer in (lam.reducts(asked["term"]) or [NORMAL_FORM])
            case "make_normal":
                return lam.is_closed(answer) and lam.size(answer) == asked["size"] and not lam.redexes(answer)
            case "make_redexes":
                small = lam.size(answer) <= asked.get("max_size", MAX_NODES)
                return lam.is_closed(answer) and small and len(lam.redexes(answer)) == asked["redexes"]
            case "make_reduces":
                return _reduces(answer, asked["target"])
    except lam.LambdaError:
        return False
    raise ValueError(f"family {family!r} has no checker; the families are {', '.join(NEEDS)}.")


def next_term(term: str) -> str:
    """The right answer to one step. Raises LambdaError where `term` is none."""
    stepped = lam.step(term)
    return stepped[0] if stepped else NORMAL_FORM


def _reduces(answer: str, target: str) -> bool:
    steps = lam.reduces_to(answer, target, max_steps=MAX_STEPS, max_size=MAX_NODES)
    return lam.is_closed(answer) and steps is not None
