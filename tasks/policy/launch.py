"""One arm in several processes of this machine: torchrun starts them, accelerate reduces their gradients.

They hold the read end of a pipe whose other end is the task's alone. When the task ends, however it ends, that end
closes and they stop. What they have to tell comes back as lines of JSON:

    {"share": 0.25}
    {"error": "TrainingError", "message": "No training prompt has …"}
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.errors import KatflowError, TrainingError
from tasks.policy.arm import Job

ROOT = Path(__file__).parents[2]


def train_in_processes(job: Job, progress: Callable[[float], None]) -> None:
    """`train_arm` in `num_processes` processes: gloo between CPUs, NCCL between GPUs, the same files.

    Raises the first KatflowError that a process raised, and TrainingError where one ended in another way.
    """
    job.work.mkdir(parents=True, exist_ok=True)
    description, log = job.work / "job.json", job.work / "processes.log"
    description.write_text(job.model_dump_json())
    with (
        log.open("ab") as errors,
        subprocess.Popen(
            _command(job.params.num_processes, description),
            env=_environment(job.params.num_processes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as processes,
    ):
        try:
            failures = _follow(processes.stdout or [], progress)
        except BaseException:
            processes.kill()
            raise
    if processes.returncode != 0:
        raise _reason(job, failures, processes.returncode, log)


def _command(count: int, description: Path) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return [*torchrun, "--module", "tasks.policy.worker", str(description)]


def _environment(count: int) -> dict[str, str]:
    """This process's, with the checkout to import from and each process's share of the cores."""
    threads = max(1, len(os.sched_getaffinity(0)) // count)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}


def _follow(lines: Iterable[bytes], progress: Callable[[float], None]) -> list[dict[str, Any]]:
    """Pass shares on until all processes are gone; return the errors in the order in which they came."""
    failures = []
    for message in _messages(lines):
        if "share" in message:
            progress(float(message["share"]))
        elif "error" in message:
            failures.append(message)
    return failures


def _messages(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:  # a library's own print
            continue
        if isinstance(message, dict):
            yield message


def _reason(job: Job, failures: list[dict[str, Any]], status: int, log: Path) -> KatflowError:
    for kind in KatflowError.__subclasses__():
        for failure in failures:
            if failure["error"] == kind.__name__:
                return kind(failure["message"])
    met = (
        f"{failures[0]['error']}: {failures[0]['message']}"
        if failures
        else f"ended with status {status} and gave no reason, as a process does that was killed or ran out of memory"
    )
    return TrainingError(
        f"One of the {job.params.num_processes} processes that train {job.arm} failed ({met}), and none can go on "
        f"without the others. All that they said is in {log}; the same command goes on from the last checkpoint."
    )
