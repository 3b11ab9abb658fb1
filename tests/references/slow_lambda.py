"""The slow, readable twin of lambda_gen_rs: terms as nested tuples, straight from the definitions.

A term is an index, ("lam", body) or ("app", function, argument). Recursive: for small terms only.
"""

from __future__ import annotations

Term = int | tuple

SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read(text: str) -> Term:
    """The term that `text` spells; also accepts redundant parentheses."""
    term, rest = _read_operands(text)
    assert not rest, rest
    return term


def _read_operands(text: str) -> tuple[Term, str]:
    term: Term | None = None
    while text and text[0] != ")":
        if text.startswith("\\."):
            body, text = _read_operands(text[2:])
            operand: Term = ("lam", body)
        elif text[0] == "(":
            operand, text = _read_operands(text[1:])
            assert text[0] == ")"
            text = text[1:]
        elif text[0] == "{":
            index, _, text = text[1:].partition("}")
            operand = int(index)
        else:
            operand, text = SYMBOLS.index(text[0]), text[1:]
        term = operand if term is None else ("app", term, operand)
    assert term is not None
    return term, text


def write(term: Term) -> str:
    return write_with_span(term, None)[0]


def write_with_span(term: Term, path: tuple[int, ...] | None) -> tuple[str, tuple[int, int]]:
    """The text, and the span of the subterm at `path` (1: body or function, 2: argument)."""
    here = path == ()

    def inner(child: Term, branch: int, parenthesised: bool) -> tuple[str, tuple[int, int]]:
        below = path[1:] if path and path[0] == branch else None
        text, (start, end) = write_with_span(child, below)
        return (f"({text})", (start + 1, end + 1)) if parenthesised else (text, (start, end))

    if isinstance(term, int):
        text = SYMBOLS[term] if term < 62 else f"{{{term}}}"
        span = (0, len(text))
    elif term[0] == "lam":
        body, (start, end) = inner(term[1], 1, False)
        text, span = "\\." + body, (start + 2, end + 2)
    else:
        function, span = inner(term[1], 1, is_lambda(term[1]))
        argument, (start, end) = inner(term[2], 2, not isinstance(term[2], int))
        text = function + argument
        if path and path[0] == 2:
            span = (start + len(function), end + len(function))
    return text, (0, len(text)) if here else span


def is_lambda(term: Term) -> bool:
    return not isinstance(term, int) and term[0] == "lam"


def shift(term: Term, by: int, cutoff: int = 0) -> Term:
    if isinstance(term, int):
        return term + by if term >= cutoff else term
    if term[0] == "lam":
        return ("lam", shift(term[1], by, cutoff + 1))
    return ("app", shift(term[1], by, cutoff), shift(term[2], by, cutoff))


def substitute(term: Term, variable: int, value: Term) -> Term:
    if isinstance(term, int):
        return value if term == variable else term
    if term[0] == "lam":
        return ("lam", substitute(term[1], variable + 1, shift(value, 1)))
    return ("app", substitute(term[1], variable, value), substitute(term[2], variable, value))


def contract(term: Term) -> Term:
    """(λ.b) a → ↓(b[0 := ↑a])"""
    _, (_, body), argument = term
    return shift(substitute(body, 0, shift(argument, 1)), -1)


def redexes(term: Term) -> list[tuple[int, ...]]:
    """Paths of all redexes, the leftmost-outermost one first."""
    if isinstance(term, int):
        return []
    here = [()] if term[0] == "app" and is_lambda(term[1]) else []
    below = [(branch, *path) for branch in range(1, len(term)) for path in redexes(term[branch])]
    return here + below


def contract_at(term: Term, path: tuple[int, ...]) -> Term:
    if not path:
        return contract(term)
    children = list(term)
    children[path[0]] = contract_at(term[path[0]], path[1:])
    return tuple(children)


def step(text: str) -> tuple[str, tuple[int, int]] | None:
    term = read(text)
    paths = redexes(term)
    if not paths:
        return None
    return write(contract_at(term, paths[0])), write_with_span(term, paths[0])[1]


def reducts(text: str) -> list[str]:
    term = read(text)
    return [write(contract_at(term, path)) for path in redexes(term)]


def size(term: Term) -> int:
    return 1 if isinstance(term, int) else 1 + sum(size(child) for child in term[1:])


def depth(term: Term) -> int:
    return 0 if isinstance(term, int) else 1 + max(depth(child) for child in term[1:])


def is_closed(term: Term, binders: int = 0) -> bool:
    if isinstance(term, int):
        return term < binders
    return all(is_closed(child, binders + (term[0] == "lam")) for child in term[1:])
