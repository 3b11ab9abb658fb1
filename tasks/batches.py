"""Batches of about equal cost, so that little is spent on padding."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def token_budget_batches(lengths: Ints, budget: int) -> list[Ints]:
    """Cut rows into batches of similar length whose padded size stays within a budget.

    lengths: [n] tokens a row.  budget: tokens a batch, padding included; a longer row is a batch of its own.
    Returns row numbers, each once, longest rows first: what does not fit into memory shows at once.
    """
    batches: list[Ints] = []
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches
