"""The demo in a process of its own, on a server as a flow or as plain functions: what `operation` measures.

python -m tests.bench.work apart    # as a flow; what its tasks' work takes is told apart, in figures.json
python -m tests.bench.work alone    # the same functions in the same order, without Prefect, keys and publishing
"""

import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

FIGURES = "figures.json"


@dataclass
class Spent:
    seconds: float = 0
    cpu: float = 0

    @classmethod
    def now(cls) -> "Spent":
        """The process's own time, with children that were waited for, without threads such as Prefect's."""
        others = {thread.native_id for thread in threading.enumerate()} - {threading.main_thread().native_id}
        apart = [of.user_time + of.system_time for of in psutil.Process().threads() if of.id in others]
        return cls(time.perf_counter(), sum(os.times()[:4]) - sum(apart))

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds + other.seconds, self.cpu + other.cpu)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds - other.seconds, self.cpu - other.cpu)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.cpu:.1f} CPU s"

    def on(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose calls are added here."""

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            before = Spent.now()
            try:
                return function(*args, **kwargs)
            finally:
                more = Spent.now() - before
                self.seconds, self.cpu = self.seconds + more.seconds, self.cpu + more.cpu

        return counted


def apart() -> None:
    """The demo as a flow, in a process of its own; where its time goes is written into this folder."""
    from tasks import artifact, caching, reporting

    parts = {name: Spent() for name in ("flow", "tasks", "shown", "sealed")}
    as_task = caching.cached_task
    caching.cached_task = lambda name, **options: lambda work: as_task(name, **options)(parts["tasks"].on(work))
    reporting._shown = parts["shown"].on(reporting._shown)
    artifact.NewArtifact._seal = parts["sealed"].on(artifact.NewArtifact._seal)  # type: ignore[method-assign]
    from flows.kat import kat
    from flows.params import KatParams

    parts["flow"].on(lambda: kat(KatParams()))()
    Path(FIGURES).write_text(json.dumps({name: (of.seconds, of.cpu) for name, of in parts.items()}))


def alone() -> None:
    """The demo's stages in a process of its own, their tasks being the plain functions."""
    from prefect.logging.loggers import disable_run_logger

    from tasks import caching

    caching.cached_task = lambda name, **options: lambda work: work
    from flows.kat import stages
    from flows.params import KatParams

    with disable_run_logger():
        for _ in stages(KatParams()):
            pass


if __name__ == "__main__":
    {"apart": apart, "alone": alone}[sys.argv[1]]()
