"""kat in operation, on a server that runs: what flows and caching cost beside the work, a run that finds all done,
and a thousand runs.

    python -m tests.bench.operation                      # the three, one after the other
    python -m tests.bench.operation overhead [FOLDER]    # the demo in an empty folder
    python -m tests.bench.operation cached [FOLDER]      # in one where it has run
    python -m tests.bench.operation soak [RUNS]
    python -m tests.bench.operation bare                 # the demo's functions, without Prefect, keys and publishing

Bars: overhead ≤ 5 % of the demo's seconds and of its CPU seconds; all done in ≤ 10 s; `soak` has its own.

Overhead is measured within one run, for two runs on a machine that others use differ by more than the bar. The work is
what tasks do inside their own functions, less what they show in the UI and less the sealing of what they made (hashes,
manifest, disk). All else from the process's start to its end is overhead: Prefect's import and engine, keys, look-ups,
hashing of inputs, publishing; in CPU seconds also Prefect's threads while a task works, and the server.
"""

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil

from tests.bench.measure import prefect_server, python
from tests.bench.soak import soak
from tests.bench.work import FIGURES, Spent

REPEATS = 3
WORK = ("-m", "tests.bench.work")


def main(arguments: list[str]) -> None:
    parts: dict[str, Callable[..., None]] = {
        "overhead": overhead,
        "cached": cached,
        "soak": lambda *runs: soak(*map(int, runs)),
        "bare": bare,
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped, with the servers that were started"))
    if arguments:
        parts[arguments[0]](*arguments[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        overhead(folder)
        cached(folder)
    soak()


def overhead(folder: str | None = None) -> None:
    with place(folder) as here, prefect_server() as server:
        before = spent_by(server)
        cost = python(here, *WORK, "apart")
        of_server = spent_by(server) - before
        parts = {name: Spent(*of) for name, of in json.loads((here / FIGURES).read_text()).items()}
    whole = Spent(cost.seconds, cost.cpu)
    work = parts["tasks"] - parts["shown"] - parts["sealed"]
    beside = {
        "start and end of the process, Prefect's threads": whole - parts["flow"],
        "flow: Prefect, keys, checks, publishing": parts["flow"] - parts["tasks"],
        "shown in the UI": parts["shown"],
        "sealing": parts["sealed"],
        "server": Spent(0, of_server),
    }
    total = sum(beside.values(), Spent(0, 0))
    print(f"demo on a server: {cost}; its tasks' work {work}")
    for name, of in beside.items():
        print(f"  {name}: {of}")
    print(
        f"overhead {total}: {total.seconds / cost.seconds:.1%} of the seconds, "
        f"{total.cpu / (cost.cpu + of_server):.1%} of the CPU seconds (bar 5 %)",
        flush=True,
    )


def cached(folder: str | None = None) -> None:
    with place(folder) as here, prefect_server():
        if folder is None:
            python(here, "-m", "flows.kat")
        costs = [python(here, "-m", "flows.kat") for _ in range(REPEATS)]
    for cost in costs:
        print(f"demo, all done: {cost}")
    seconds, cpu = (median(getattr(cost, name) for cost in costs) for name in ("seconds", "cpu"))
    print(f"  median of {REPEATS}: {seconds:.1f} s (bar 10), {cpu:.1f} CPU s", flush=True)


def bare() -> None:
    with place(None) as here:
        print(f"the demo's functions, bare: {python(here, *WORK, 'alone')}", flush=True)


@contextmanager
def place(folder: str | None) -> Iterator[Path]:
    """A folder that is kept, or one that is not."""
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def spent_by(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main(sys.argv[1:])
