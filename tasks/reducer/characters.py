"""Terms as numbers: a symbol of the notation each, and nothing else of them."""

import string
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError

PADDING = 0
SYMBOLS = "\\.(){}" + string.digits + string.ascii_lowercase + string.ascii_uppercase
"""Of the notation of `lambda_gen_rs`, numbered from 1."""
SEPARATOR, END = 1 + len(SYMBOLS), 2 + len(SYMBOLS)
"""Between a term and the next, and after that."""
OPENING, CLOSING = 1 + SYMBOLS.index("("), 1 + SYMBOLS.index(")")
VOCABULARY = 3 + len(SYMBOLS)
Ints = NDArray[np.int64]

_NUMBERS = np.zeros(256, dtype=np.int64)
_NUMBERS[np.frombuffer(SYMBOLS.encode(), dtype=np.uint8)] = np.arange(1, SEPARATOR)
_LETTERS = np.frombuffer(("\0" + SYMBOLS + "\0\0").encode(), dtype=np.uint8)


def numbers(text: str) -> Ints:
    """[T] of a text of the notation. Raises InputError where it holds another character."""
    found: Ints = _NUMBERS[np.frombuffer(text.encode(), dtype=np.uint8)]
    if not found.all():
        raise InputError(
            f"{next(one for one in text if one not in SYMBOLS)!r} is no symbol of λ-terms, so they cannot be read. "
            "Give terms as flows.lambda_terms prints them."
        )
    return found


def encoded(terms: Sequence[str]) -> tuple[Ints, Ints]:
    """[n, T], padded to the longest, and lengths [n]. terms: well-formed, n at least 1."""
    lengths = np.array([len(term) for term in terms])
    ids = np.full((len(terms), int(lengths.max())), PADDING)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = numbers("".join(terms))
    return ids, lengths


def closing(ids: Ints, begin: Ints) -> Ints:
    """Where the parenthesis that opens at `begin` [n] is closed, [n]; anywhere where none opens there. ids: [n, T]."""
    place = np.arange(ids.shape[1])
    open_ = np.cumsum(((ids == OPENING) * 1 - (ids == CLOSING)) * (place >= begin[:, None]), axis=1)
    return np.argmax((open_ == 0) & (place >= begin[:, None]), axis=1)


def decoded(ids: Ints) -> str:
    """The text of numbers [T] of symbols."""
    return _LETTERS[ids].tobytes().decode()
