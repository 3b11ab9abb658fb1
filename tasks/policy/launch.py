"""One arm in processes of its own: of several, torchrun starts them and accelerate reduces their gradients.

They hold the read end of a pipe whose other end is the task's alone. When the task ends, however it ends, that end
closes and they stop. What they have to tell comes back as lines of JSON:

    {"share": 0.25}
    {"line": "step 20 of 160: loss 0.01"}
    {"error": "TrainingError", "message": "No training prompt has …"}
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tasks.errors import KatflowError, ProcessDied, TrainingError
from tasks.policy.arm import Job
from tasks.policy.params import PolicyParams
from tasks.runtime import training_log

ROOT = Path(__file__).parents[2]
_running: set["subprocess.Popen[bytes]"] = set()
_stopped: set["subprocess.Popen[bytes]"] = set()


def train_in_processes(job: Job, progress: Callable[[float], None]) -> None:
    """`train_arm` in `num_processes` processes: gloo between CPUs, NCCL between GPUs, the same files.

    Of `side_by_side` arms that train at once each has GPUs, or a share of the cores, of its own.
    Raises the first KatflowError that a process raised, TrainingError where they were stopped, and ProcessDied where
    one ended in another way.
    """
    job.work.mkdir(parents=True, exist_ok=True)
    description, log = job.work / "job.json", job.work / "processes.log"
    description.write_text(job.model_dump_json())
    with (
        log.open("ab") as errors,
        free_place(job.work.parent, job.params.side_by_side) as place,
        subprocess.Popen(
            _command(job.params.num_processes, description),
            env=environment(job.params, place),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as processes,
    ):
        _running.add(processes)
        try:
            failures = _follow(job.arm, processes.stdout or [], progress)
        except BaseException:
            processes.kill()
            raise
        finally:
            _running.discard(processes)
    if processes.returncode != 0:
        if processes in _stopped:
            raise TrainingError(f"The training of {job.arm} was stopped; the same command goes on.")
        raise _reason(job, failures, processes.returncode, log)


def stop_processes() -> None:
    """End all that train for this process, whichever threads wait for them."""
    for processes in list(_running):
        _stopped.add(processes)
        processes.kill()
        if processes.stdin:
            processes.stdin.close()  # those that torchrun started end when their task's end of the pipe does


def _command(count: int, description: Path) -> list[str]:
    if count == 1:
        return [sys.executable, "-m", "tasks.policy.worker", str(description)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return [*torchrun, "--module", "tasks.policy.worker", str(description)]


def environment(params: PolicyParams, place: int) -> dict[str, str]:
    """This process's, with the checkout to import from, and of cores and GPUs what the place holds."""
    processes = params.num_processes
    threads = max(1, len(os.sched_getaffinity(0)) // (processes * params.side_by_side))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    given = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
    if gpus := torch.cuda.device_count():
        names = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")[:gpus]
        first = place * processes
        given["CUDA_VISIBLE_DEVICES"] = ",".join(names[(first + at) % gpus] for at in range(min(processes, gpus)))
    return given


@contextmanager
def free_place(folder: Path, places: int) -> Iterator[int]:
    """A number below `places` that no other arm holds (0 where none is free): a lock that ends with its process."""
    for number in range(places):
        with (folder / f"place-{number}").open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    yield 0


def _follow(arm: str, lines: Iterable[bytes], progress: Callable[[float], None]) -> list[dict[str, Any]]:
    """Pass shares and lines on until all processes are gone; return the errors in the order in which they came."""
    failures = []
    for message in _messages(lines):
        if "share" in message:
            progress(float(message["share"]))
        elif "line" in message:
            training_log().info("%s: %s", arm, message["line"])
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


def _processes(job: Job) -> str:
    if job.params.num_processes == 1:
        return f"The process that trains {job.arm}"
    return f"One of the {job.params.num_processes} processes that train {job.arm}, without which none can go on,"


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
    return ProcessDied(
        f"{_processes(job)} failed ({met}). All that was said is in {log}; the same command goes on from the last "
        "checkpoint."
    )
