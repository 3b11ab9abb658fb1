r"""Closed λ-terms with de Bruijn indices from 0: notation, leftmost-outermost reduction, generation.

Notation: `\.`body, application by juxtaposition (left-associative), indices 0-9 a-z A-Z, then {62}…;
an abstraction stands in parentheses wherever it is function or argument, an application only as an
argument; no spaces. A term has exactly one spelling: `str(parse(text)) == text`, and redundant
parentheses are refused. Every function of a text raises LambdaError with the position of the first fault.
Spans are [start, end) in characters. No function recurses on its input, and each releases the GIL.
"""

import os
from collections.abc import Callable
from typing import TypedDict, final

SOURCE_HASH: str
"""Hash of the Rust sources of this build; 32 hexadecimal digits."""

class LambdaError(ValueError):
    """A text is no term, a limit was reached, or an order cannot be met."""

    position: int | None
    """Characters before the fault in the text; None where the fault is not at a place in a text."""

@final
class Term:
    """An immutable, hashable λ-term, equal to terms of the same spelling. Made by `parse`."""

    @property
    def size(self) -> int:
        """Nodes: variables, abstractions and applications."""
    @property
    def depth(self) -> int:
        """Edges on the longest path from the root to a leaf."""
    @property
    def is_closed(self) -> bool: ...
    def __str__(self) -> str: ...
    def __eq__(self, other: object) -> bool: ...
    def __ne__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

def parse(text: str) -> Term:
    """The term that `text` spells."""

def step(text: str) -> tuple[str, tuple[int, int]] | None:
    """One leftmost-outermost step: the next term and the span of the contracted redex in `text`,
    without parentheses around it. None in normal form."""

def normal_form(text: str, *, max_steps: int = 1000, max_size: int = 10_000) -> tuple[str, int]:
    """The normal form by leftmost-outermost steps, and their number.

    Raises LambdaError (position None) when `max_steps` steps do not reach it, or a step would make a term
    of more than `max_size` nodes."""

def reduces_to(text: str, target: str, *, max_steps: int = 100, max_size: int = 10_000) -> int | None:
    """The number (1 to `max_steps`) of leftmost-outermost steps after which `text` first becomes `target`;
    None where it does not within the limits."""

def is_closed(text: str) -> bool:
    """Whether no variable is free."""

def size(text: str) -> int:
    """Nodes: variables, abstractions and applications."""

def depth(text: str) -> int:
    """Edges on the longest path from the root to a leaf."""

def redexes(text: str) -> list[tuple[int, int]]:
    """The spans of all redexes, by their start; the first is the leftmost-outermost one."""

def reducts(text: str) -> list[str]:
    """All one-step reducts, one for each redex in the order of `redexes`; equal ones are repeated."""

def wrong_steps(text: str) -> dict[str, str]:
    """What models answer instead of the leftmost-outermost reduct, by kind of mistake.

    wrong_index  the argument's free variables are not shifted under binders (or by one too many), or the
                 body's free variables keep their index
    lost_copy    of two or more copies of the argument one is another variable in scope, or dropped
    wrong_redex  another redex is contracted
    A kind is absent where the mistake cannot be made. The first two are never a one-step reduct of `text`;
    wrong_redex is a reduct, but not the leftmost-outermost one. A closed term gives closed terms.
    """

class TracesReport(TypedDict):
    rows: int
    duplicates: int
    """Rows that were left out because their term occurred before."""
    chunks: int
    """The next run that shall not draw the same roots begins at first_chunk + chunks."""

def write_traces(
    path: str | os.PathLike[str],
    *,
    seed: int,
    rows: int,
    min_size: int,
    max_size: int,
    max_depth: int,
    first_chunk: int = 0,
    size_limit: int = 250,
    max_steps: int = 1000,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> TracesReport:
    """Write exactly `rows` rows of leftmost-outermost traces of closed terms as one zstd Parquet file.

    Roots have `min_size` to `max_size` nodes (2 to 254) and depth ≤ `max_depth`; 5 % are normal forms, 15 %
    have ≥ 3 leading λs and a redex, 45 % grow in their first step, the rest a redex at a uniformly chosen
    depth; strata that cannot exist are relaxed. `size_limit` (nodes) bounds the rows, `max_steps` the
    traces. No term occurs twice in the file. The bytes depend on everything but `workers` and `progress`.

    One row a step: trace_id, step_k, steps_total (null where the trace was cut), complete, term, next_term
    (null in normal form), target_span {start, end} ((0, 0) in normal form), is_nf, depth, size, redex_depth
    and growth (null in normal form), cycle (0), stratum (normal | prefix | growth | redex).

    `progress` is called with the rows so far, on the calling thread. Ctrl-C, or an exception from
    `progress`, stops within a chunk and leaves no file. Raises LambdaError where there are not enough terms.
    """
