"""Batches of about equal cost, so that little is spent on padding."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def equal_length_batches(lengths: Ints, budget: int) -> list[Ints]:
    """Cut rows into batches of one length each, so that nothing is padded and no row depends on its batch.

    In bfloat16 padding moves a vector by as much as a third of what rounding does; without it a text's vector was the
    same to the last bit alone and among others. lengths: [n] tokens a row.  budget: tokens a batch at most; a longer
    row is a batch of its own. Returns row numbers, each once, longest rows first.
    """
    order = np.argsort(-lengths, kind="stable")
    alike = np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1) if len(order) else []
    return [
        rows[start : start + size]
        for rows in alike
        for size in [max(1, budget // max(1, int(lengths[rows[0]])))]
        for start in range(0, len(rows), size)
    ]


def alike_length_batches(lengths: Ints, budget: int) -> list[Ints]:
    """Cut rows into batches of neighbouring lengths, for what padding does not move.

    lengths: [n].  budget: tokens a batch at most, padding included; a longer row is a batch of its own. Returns row
    numbers, each once, longest rows first.
    """
    order = np.argsort(-lengths, kind="stable")
    cut, at = [], 0
    while at < len(order):
        many = max(1, budget // max(1, int(lengths[order[at]])))
        cut.append(order[at : at + many])
        at += many
    return cut
