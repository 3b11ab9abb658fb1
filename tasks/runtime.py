"""Where and how torch runs: device, threads, seeds."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import torch
from threadpoolctl import threadpool_limits

TRIALS = 5
PRODUCTS = 5


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


def world_size() -> int:
    """How many processes train together; alone 1."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def faster_threads() -> int:
    """1, or all cores of the process: whichever multiplies matrices of a small batch faster just now.

    Two threads that wait for each other on cores that others use were several times slower than one; on quiet cores
    they are nearly twice as fast. For work whose result does not depend on their number.
    """
    cores = len(os.sched_getaffinity(0))
    left, right = torch.ones(512, 384), torch.ones(384, 1536)
    taken: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(TRIALS):
        for count, seconds in taken.items():
            with torch_threads(count):
                begun = time.perf_counter()
                for _ in range(PRODUCTS):
                    left @ right
                seconds.append(time.perf_counter() - begun)
    return min(taken, key=lambda count: median(taken[count]))


@contextmanager
def torch_threads(count: int | None = None) -> Iterator[None]:
    """Compute with this many threads (default: all cores of the process) and restore the number after."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or len(os.sched_getaffinity(0)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, in torch and in what NumPy and SciPy call.

    The same bits whatever the machine; and OpenBLAS's two threads wait for each other by spinning, which on cores that
    others use made a singular value decomposition of 2,048² take 100 s instead of 8.
    """
    with torch_threads(1), threadpool_limits(1):
        yield


@contextmanager
def bf16_products() -> Iterator[None]:
    """Multiply float32 matrices with bfloat16 factors and float32 sums, where the CPU has that: several times as fast.

    All else stays float32.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def training_log() -> logging.Logger:
    """Where trainers tell their figures: Prefect shows it where PREFECT_LOGGING_EXTRA_LOGGERS names it, else nobody."""
    log = logging.getLogger("katflow")
    log.setLevel(logging.INFO)
    log.propagate = False
    return log
