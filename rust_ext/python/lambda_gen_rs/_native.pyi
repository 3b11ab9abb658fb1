r"""Closed λ-terms with de Bruijn indices from 0: notation, leftmost-outermost reduction, generation.

Notation: `\.`body, application by juxtaposition (left-associative), indices 0-9 a-z A-Z, then {62}…;
an abstraction stands in parentheses wherever it is function or argument, an application only as an
argument; no spaces. A term has exactly one spelling: `str(parse(text)) == text`, and redundant
parentheses are refused. Every function of a text raises LambdaError with the position of the first fault.
Spans are [start, end) in characters. No function recurses on its input, and each releases the GIL.
"""

import os
from collections.abc import Callable
from typing import Literal, NotRequired, TypedDict, final

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

def mistake(text: str, answer: str) -> Literal["wrong_redex", "wrong_index", "lost_copy", "other"] | None:
    """What kind of mistake `answer` is as the leftmost-outermost reduct of `text`; None where it is right.

    wrong_redex  it is another reduct
    wrong_index  it has the right reduct's shape, with other indices
    lost_copy    it has the right reduct's shape but for one of two or more copies of the argument, which is a
                 variable there, or dropped with its application
    other        nothing of these; so is every answer for a normal form
    """

def contract(texts: list[str], spans: list[tuple[int, int]]) -> list[str | None]:
    """Each text with the redex at its span contracted; None where no redex has just that span.

    Raises ValueError where texts and spans are not as many."""

Path = str | os.PathLike[str]

class TracesReport(TypedDict):
    rows: int
    duplicates: int
    """Rows that were left out because their term occurred before."""
    chunks: int
    """The next run that shall not draw the same roots begins at first_chunk + chunks."""

def write_traces(
    path: Path,
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

    Roots have `min_size` to `max_size` nodes (2 to 254) and depth ≤ `max_depth`; 5 % are asked to be normal
    forms, 15 % to have ≥ 3 leading λs and a redex, 55 % to grow in their first step, the rest to have a redex at
    a uniformly chosen depth. What cannot be met after three tries becomes a redex: of the roots of a large run
    30 % grow and 13 % have the prefix. `size_limit` (nodes) bounds the rows, `max_steps` the
    traces. No term occurs twice in the file. The bytes depend on everything but `workers` and `progress`.

    One row a step: trace_id, step_k, steps_total (null where the trace was cut), complete, term, next_term
    (null in normal form), target_span {start, end} ((0, 0) in normal form), is_nf, depth, size, redex_depth
    and growth (null in normal form), cycle (0), stratum (normal | prefix | growth | redex).

    `progress` is called with the rows so far, on the calling thread. Ctrl-C, or an exception from
    `progress`, stops within a chunk and leaves no file. Raises LambdaError where there are not enough terms.
    """

@final
class RunSpec:
    """A whole run of rows in parts: all that its bytes depend on, and nothing else.

    examples    rows over all splits, met exactly
    profile     covering (ten cycles: depth 6-15, size up to 80-200), shallow (five: depth 6-10, size up to
                80-120), naive and shallow_naive (plain grammar walks in the limits of covering and of
                shallow), ood (depth 16-18, size 200-250)
    size_limit  nodes of the largest row, at least the profile's largest root; longer terms of a trace are left
                out and the trace goes on, up to twice the limit
    max_steps   steps after which a trace is cut
    val_share, test_share   fractions of the roots; the rest is train
    """

    def __init__(
        self,
        *,
        seed: int,
        examples: int,
        profile: Literal["covering", "shallow", "naive", "shallow_naive", "ood"] | str = "covering",
        size_limit: int = 250,
        max_steps: int = 1000,
        format: Literal["parquet", "jsonl"] | str = "parquet",
        val_share: float = 0.01,
        test_share: float = 0.01,
    ) -> None: ...
    def __eq__(self, other: object) -> bool: ...
    def __ne__(self, other: object) -> bool: ...

class RunStats(TypedDict):
    """Counts of rows. A histogram is a list: rows by value."""

    rows: int
    normal_forms: int
    incomplete: int
    growing: int
    first_steps: int
    """Rows with step_k 0 that are not normal; `growing_first_steps` counts those with growth > 0."""
    growing_first_steps: int
    prefixed: int
    """At least three leading λs and not normal."""
    under_ten_nodes: int
    depth: list[int]
    size: list[int]
    redex_depth: list[int]
    cycle: list[int]
    stratum: dict[str, int]

class PartRecord(TypedDict):
    rows: list[int]
    """By split: train, val, test; so are bytes and hashes (xxh3-64 of the files)."""
    bytes: list[int]
    hashes: list[int]
    claims_hash: int | None
    stats: RunStats

class RunReport(TypedDict):
    parts: list[PartRecord]
    stats: RunStats
    """Over all parts."""
    reused: NotRequired[int]
    """Parts that an earlier, unfinished run had made (`write_run` only)."""

def write_run(
    output: Path,
    records: Path,
    spec: RunSpec,
    *,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> RunReport:
    """Make the run in one process: `output/{train,val,test}/part-00000.parquet` and on, ≈ 250k rows a part.

    Columns as in `write_traces`; JSON lines nest depth to stratum as `meta` and write target_span as a list.
    No term is the input of two rows; no input term of val or test occurs in train, as input or output.
    trace_id is unique over splits and parts, and a root's split is the same in every run. The bytes depend on
    `spec` alone: not on `workers`, not on kills.

    `records` keeps what finished parts are known by (for resuming: called again with the same arguments, the
    run goes on after the last whole part); remove it when the run is done. A part whose file is missing or
    changed is made again, with those after it.

    `progress` is called with the rows so far on the calling thread, ten times a second. Ctrl-C (where the
    calling thread is the main one), or an exception from `progress`, stops within a fraction of a second;
    finished parts stay. Memory: 12 to 24 bytes an example for the ledger, and about 40 MB a worker; 370 MB
    for 15 million with two.
    Raises LambdaError where `records` is of another run, or there are not enough terms.
    """

def scan_part(path: Path, spec: RunSpec, part: int) -> None:
    """For machines that share only files, first of three: write the hashes of part's steps to `path`.

    A part is ten chunks: 250k rows before duplicates are removed, ≈ 234k after. ≈ 8 bytes a row."""

def resolve_parts(folder: Path, spec: RunSpec, scans: list[Path]) -> tuple[int, int]:
    """Second of three: decide the rows of the parts scanned, given in order from part 0.

    Writes `folder/part-00000.keep` and on. Returns (parts with rows, rows); rows < spec.examples means that
    more parts must be scanned, and all resolved again."""

def write_part(output: Path, records: Path, spec: RunSpec, part: int, keep: Path) -> RunReport:
    """Third of three: write the rows of `part` that its keep file names; returns a report of one part.

    The files equal those of `write_run` byte for byte. A part that is whole is not made again."""
