"""λ-terms in Rust: notation, leftmost-outermost reduction, generation. `_native.pyi` documents each name."""

from ._native import (
    SOURCE_HASH,
    LambdaError,
    Term,
    depth,
    is_closed,
    normal_form,
    parse,
    redexes,
    reduces_to,
    reducts,
    size,
    step,
    write_traces,
    wrong_steps,
)

__all__ = [
    "SOURCE_HASH",
    "LambdaError",
    "Term",
    "depth",
    "is_closed",
    "normal_form",
    "parse",
    "redexes",
    "reduces_to",
    "reducts",
    "size",
    "step",
    "write_traces",
    "wrong_steps",
]
