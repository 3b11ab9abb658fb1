"""Terms in batches of alike lengths, so that little is padded."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
AT_ONCE = 32_000
"""Characters, padding included, of terms that are answered at once."""


def batches(lengths: Numbers, most: int = AT_ONCE) -> list[Numbers]:
    """Numbers of terms, longest first, in batches of at most so many characters, padding included.

    lengths: [n]. A longer term is a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")[::-1]
    cut, at = [], 0
    while at < len(order):
        many = max(1, most // int(lengths[order[at]]))
        cut.append(order[at : at + many])
        at += many
    return cut
