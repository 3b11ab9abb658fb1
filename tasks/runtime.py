"""Where and how torch runs: device, threads, seeds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def device() -> torch.device:
    """The first GPU, or among several processes this one's own, or the CPU."""
    return (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if torch.cuda.is_available()
        else torch.device("cpu")
    )


def rank() -> int:
    """The number of this process among those that torchrun started, from 0; alone it is 0."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def torch_threads(count: int | None = None) -> Iterator[None]:
    """Compute with this many threads (default: all cores of the process) and restore the number after."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or len(os.sched_getaffinity(0)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
