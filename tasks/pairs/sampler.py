"""Uniform closed λ-terms with so many nodes and so many redexes, by counting.

With N the number of terms of n nodes, m free variables and k redexes (Grygiel and Lescanne,
"Counting and generating lambda terms", 2013, here with redexes counted too):

    N(1, m, 0) = m
    N(n, m, k) = N(n-1, m+1, k) + Σ_i Σ_j N(i, m, j) · N(n-1-i, m, k-j-[the function is an abstraction])
"""

import random
from functools import cache


@cache
def count_terms(size: int, free: int, redexes: int) -> int:
    """How many terms of so many nodes and redexes have their free variables among `free`."""
    return _abstractions(size, free, redexes) + _others(size, free, redexes)


def random_term(rng: random.Random, size: int, redexes: int) -> str:
    """A closed term of exactly so many nodes and redexes, each as likely as any other.

    Raises ValueError where there is none.
    """
    if not count_terms(size, 0, redexes):
        raise ValueError(f"no closed term of {size} nodes has {redexes} redexes")
    return _draw(rng, size, 0, redexes)[0]


def _abstractions(size: int, free: int, redexes: int) -> int:
    return count_terms(size - 1, free + 1, redexes) if size > 1 and redexes >= 0 else 0


@cache
def _others(size: int, free: int, redexes: int) -> int:
    """Variables and applications."""
    if size < 1 or redexes < 0:
        return 0
    if size == 1:
        return free if redexes == 0 else 0
    return sum(ways for ways, *_ in _applications(size, free, redexes))


@cache
def _applications(size: int, free: int, redexes: int) -> list[tuple[int, bool, int, int]]:
    """(ways, the function is an abstraction, its size, its redexes) of every application."""
    return [
        (ways, is_redex, left, inner)
        for left in range(1, size - 1)
        for inner in range(redexes + 1)
        for is_redex, functions in ((True, _abstractions(left, free, inner)), (False, _others(left, free, inner)))
        if redexes - inner - is_redex >= 0
        and (ways := functions * count_terms(size - 1 - left, free, redexes - inner - is_redex))
    ]


def _draw(rng: random.Random, size: int, free: int, redexes: int, head: str = "any") -> tuple[str, str]:
    """A term's text and kind: variable, abstraction or application. head: any, abstraction or other."""
    abstractions = _abstractions(size, free, redexes) if head != "other" else 0
    others = _others(size, free, redexes) if head != "abstraction" else 0
    drawn = rng.randrange(abstractions + others)
    if drawn < abstractions:
        return "\\." + _draw(rng, size - 1, free + 1, redexes)[0], "abstraction"
    drawn -= abstractions
    if size == 1:
        return _symbol(drawn), "variable"
    is_redex, left, inner = _nth_application(_applications(size, free, redexes), drawn)
    function, kind = _draw(rng, left, free, inner, "abstraction" if is_redex else "other")
    argument, other = _draw(rng, size - 1 - left, free, redexes - inner - is_redex)
    return applied(function, kind, argument, other), "application"


def _nth_application(applications: list[tuple[int, bool, int, int]], number: int) -> tuple[bool, int, int]:
    for ways, is_redex, left, inner in applications:
        if number < ways:
            return is_redex, left, inner
        number -= ways
    raise AssertionError("the counts do not add up")


def applied(function: str, function_kind: str, argument: str, argument_kind: str) -> str:
    """The notation of an application: an abstraction in parentheses, an application only as an argument."""
    left = f"({function})" if function_kind == "abstraction" else function
    right = argument if argument_kind == "variable" else f"({argument})"
    return left + right


def _symbol(index: int) -> str:
    symbols = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return symbols[index] if index < len(symbols) else f"{{{index}}}"
