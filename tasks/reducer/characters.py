"""Terms as numbers: a symbol of the notation each, and nothing else of them."""

import string
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PADDING = 0
SYMBOLS = "\\.(){}" + string.digits + string.ascii_lowercase + string.ascii_uppercase
"""Of the notation of `lambda_gen_rs`, numbered from 1."""
VOCABULARY = 1 + len(SYMBOLS)
Ints = NDArray[np.int64]

_NUMBERS = np.zeros(128, dtype=np.int64)
_NUMBERS[np.frombuffer(SYMBOLS.encode(), dtype=np.uint8)] = np.arange(1, VOCABULARY)


def encoded(terms: Sequence[str]) -> tuple[Ints, Ints]:
    """[n, T], padded to the longest, and lengths [n]. terms: well-formed, n at least 1."""
    lengths = np.array([len(term) for term in terms])
    ids = np.full((len(terms), int(lengths.max())), PADDING)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = _NUMBERS[np.frombuffer("".join(terms).encode(), dtype=np.uint8)]
    return ids, lengths
