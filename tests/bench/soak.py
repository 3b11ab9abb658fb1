"""A thousand short scheduled runs on a real server and worker, four at once, in a folder of their own.

Bars: every run ends Completed, once, with its result; from a fifth of the runs to all of them the worker and the
server gain ≤ 64 MB and ≤ 8 handles each, and one run leaves ≤ 300 kB in the database (nine tenths of it events, which
the server keeps for a week); neither log holds an error or a warning.
"""

import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psutil
import yaml
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.states import Scheduled

from flows.automations import PAUSE, SILENCE
from tests.stack import ROOT, Stack, stack_in

SAMPLES = 10
"""Taken at rest, after equally many runs; growth counts from the second on, for caches fill first."""
SECONDS_WITHOUT_AN_END = 300
"""After which the runs that are still open count as lost."""
MEGABYTES, HANDLES, DATABASE_KB = 64, 8, 300
ENDS = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED)
"""Not Crashed: such a run goes on."""
SHOWN = 8


@dataclass(frozen=True)
class Process:
    megabytes: float
    handles: int
    cpu: float
    """Of its own, since it began."""
    children_cpu: float

    @classmethod
    def of(cls, pid: int) -> "Process":
        process = psutil.Process(pid)
        spent = process.cpu_times()
        return cls(
            process.memory_info().rss / 1e6,
            process.num_fds(),
            spent.user + spent.system,
            spent.children_user + spent.children_system,
        )

    def __str__(self) -> str:
        return f"{self.megabytes:.0f} MB, {self.handles} handles"


@dataclass(frozen=True)
class Sample:
    runs: int
    at: float
    worker: Process
    server: Process
    database_kb: float
    files: int

    @classmethod
    def of(cls, stack: Stack, runs: int = 0) -> "Sample":
        home = stack.checkout / ".katflow/prefect"
        return cls(
            runs,
            time.monotonic(),
            Process.of(stack.pid("worker")),
            Process.of(stack.pid("server")),
            sum(path.stat().st_size for path in home.glob("prefect.db*")) / 1e3,
            sum(len(names) for _, _, names in os.walk(stack.checkout / "data")),
        )


def soak(runs: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stack:
        samples = [Sample.of(stack)]
        made: list[UUID] = []
        print("  runs | worker | server | of one run: seconds, CPU s of it, the worker and the server, database, files")
        while len(made) < runs:
            more = [
                scheduled(stack, len(made) + number) for number in range(min(-(-runs // SAMPLES), runs - len(made)))
            ]
            made += more
            wait_for(stack, more)
            samples.append(Sample.of(stack, len(made)))
            print(row(*samples[-2:]), flush=True)
        time.sleep(SILENCE.total_seconds() + PAUSE.total_seconds())  # in which an automation could call one dead
        report(stack, made, [*samples, Sample.of(stack, len(made))])


@contextmanager
def running(checkout: Path) -> Iterator[Stack]:
    """`make up` with one deployment: λ-terms as in prefect.yaml, as often at once as the pool lets them."""
    whole = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    (short,) = (of for of in whole["deployments"] if of["name"] == "lambda-terms-demo")
    del short["concurrency_limit"]
    (checkout / "prefect.yaml").write_text(yaml.safe_dump({**whole, "deployments": [short]}))
    with stack_in(checkout) as stack:
        yield stack


def scheduled(stack: Stack, number: int) -> UUID:
    """A run that a worker is to take up at once."""
    deployment = stack.client.read_deployment_by_name("lambda-terms/lambda-terms-demo")
    return stack.client.create_flow_run_from_deployment(
        deployment.id,
        parameters={"params": {"examples": 1000, "workers": 1, "out": str(out(number))}},
        state=Scheduled(scheduled_time=datetime.now(UTC)),
    ).id


def out(number: int) -> Path:
    return Path(f"data/out/{number}")


def wait_for(stack: Stack, runs: list[UUID]) -> None:
    """Until all have ended and the worker has no process left, or until none has ended for long."""
    open_ones = FlowRunFilter.model_validate({"id": {"any_": runs}, "state": {"type": {"not_any_": ENDS}}})
    worker = psutil.Process(stack.pid("worker"))
    left, since = len(runs), time.monotonic()
    while (left or worker.children()) and time.monotonic() - since < SECONDS_WITHOUT_AN_END:
        time.sleep(1)
        now = len(stack.client.read_flow_runs(flow_run_filter=open_ones))
        left, since = now, since if now == left else time.monotonic()


def row(before: Sample, after: Sample) -> str:
    runs = after.runs - before.runs
    spent = (
        after.worker.children_cpu - before.worker.children_cpu,
        after.worker.cpu - before.worker.cpu,
        after.server.cpu - before.server.cpu,
    )
    return (
        f"{after.runs:6} | {after.worker} | {after.server} | {(after.at - before.at) / runs:.1f} s, "
        f"{', '.join(f'{of / runs:.2f}' for of in spent)}; {(after.database_kb - before.database_kb) / runs:.0f} kB, "
        f"{(after.files - before.files) / runs:.1f} files; load {os.getloadavg()[0]:.1f}"
    )


def report(stack: Stack, runs: list[UUID], samples: list[Sample]) -> None:
    states = {run: Counter(state.type for state in stack.client.read_flow_run_states(run)) for run in runs}
    ended = {run: stack.client.read_flow_run(run).state_type == StateType.COMPLETED for run in runs}
    once = {run: of[StateType.RUNNING] == of[StateType.COMPLETED] == 1 for run, of in states.items()}
    made = [(stack.checkout / out(number) / "manifest.json").exists() for number in range(len(runs))]
    for what, holds in (("lost", ended.values()), ("run more than once", once.values()), ("without result", made)):
        print(f"runs {what}: {list(holds).count(False)} of {len(runs)} (bar 0)")
    settled, last = samples[min(2, len(samples) - 3)], samples[-1]
    print(f"from {settled.runs} runs to {last.runs}, after which nothing runs:")
    for name in ("worker", "server"):
        before, after = getattr(settled, name), getattr(last, name)
        print(f"  {name}: {after.megabytes - before.megabytes:+.0f} MB (bar {MEGABYTES}),", end=" ")
        print(f"{after.handles - before.handles:+} handles (bar {HANDLES})")
    grown = (last.database_kb - settled.database_kb) / (last.runs - settled.runs)
    print(f"  database: {grown:.0f} kB a run (bar {DATABASE_KB})")
    for name in ("worker", "server"):
        found = faults((stack.checkout / f".katflow/{name}.log").read_text())
        print(f"{name}.log: {found.total()} errors and warnings (bar 0)")
        for what, times in found.most_common(SHOWN):
            print(f"  {times} × {what}")


def faults(log: str) -> Counter[str]:
    """Records that are no mere information: their first line without what differs, and the error they end with."""
    found: Counter[str] = Counter()
    for record in re.split(r"^(?=\d\d:\d\d:\d\d\.\d{3} \| )", log, flags=re.MULTILINE):
        lines = record.strip().splitlines()
        if lines and "|" in lines[0] and (not re.search(r"\| (INFO|DEBUG) ", lines[0]) or "Traceback" in record):
            error = next((line for line in reversed(lines[1:]) if re.match(r"[\w.]+(Error|Exception)", line)), "")
            found[re.sub(r"[0-9a-f-]{36}|\d+", "…", f"{lines[0][15:]}  {error}")[:160]] += 1
    return found
