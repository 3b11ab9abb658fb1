"""A training in processes of its own: of several, torchrun starts them and accelerate reduces their gradients.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tasks.errors import InputError, KatflowError, ProcessDied, TrainingError
from tasks.runtime import training_log

ROOT = Path(__file__).parents[1]
_running: set["subprocess.Popen[bytes]"] = set()
_stopped: set["subprocess.Popen[bytes]"] = set()


@dataclass(frozen=True)
class Trainers:
    """Processes that train one model.

    name: of what they train, in messages.  module: of which each is a run, given a job's path; it calls
    `tasks.worker.main`.  side_by_side: of such groups that train at once each has GPUs, or a share of the cores, of its
    own.
    """

    name: str
    module: str
    count: int
    side_by_side: int = 1


def train_in_processes(trainers: Trainers, job: str, work: Path, progress: Callable[[float], None]) -> None:
    """Train in processes: gloo between CPUs, NCCL between GPUs. job: JSON, written to job.json in `work`.

    Raises the first KatflowError that a process raised, TrainingError where they were stopped, ProcessDied where
    one ended in another way, and InputError where there are GPUs, but too few.
    """
    if 0 < (gpus := torch.cuda.device_count()) < trainers.count:
        raise InputError(
            f"{trainers.name} is to be trained by {trainers.count} processes, a GPU each, of which there are but "
            f"{gpus} here. Set num_processes to {gpus}, or hide the GPUs (CUDA_VISIBLE_DEVICES=)."
        )
    work.mkdir(parents=True, exist_ok=True)
    description, log = work / "job.json", work / "processes.log"
    description.write_text(job)
    with (
        log.open("ab") as errors,
        free_place(work.parent, trainers.side_by_side) as place,
        subprocess.Popen(
            _command(trainers, description),
            env=environment(trainers, place),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as processes,
    ):
        _running.add(processes)
        try:
            failures = _follow(trainers.name, processes.stdout or [], progress)
        except BaseException:
            processes.kill()
            raise
        finally:
            _running.discard(processes)
    if processes.returncode != 0:
        if processes in _stopped:
            raise TrainingError(f"The training of {trainers.name} was stopped; the same command goes on.")
        raise _reason(trainers, failures, processes.returncode, log)


def stop_processes() -> None:
    """End all that train for this process, whichever threads wait for them."""
    for processes in list(_running):
        _stopped.add(processes)
        processes.kill()
        if processes.stdin:
            processes.stdin.close()  # those that torchrun started end when their task's end of the pipe does


def _command(trainers: Trainers, description: Path) -> list[str]:
    if trainers.count == 1:
        return [sys.executable, "-m", trainers.module, str(description)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(trainers.count)]
    return [sys.executable, *torchrun, "--module", trainers.module, str(description)]


def environment(trainers: Trainers, place: int) -> dict[str, str]:
    """This process's, with the checkout to import from, and of cores and GPUs what the place holds."""
    count = trainers.count
    threads = max(1, len(os.sched_getaffinity(0)) // (count * trainers.side_by_side))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    given = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
    if gpus := torch.cuda.device_count():
        names = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")[:gpus]
        first = place * count
        given["CUDA_VISIBLE_DEVICES"] = ",".join(names[(first + at) % gpus] for at in range(min(count, gpus)))
    return given


@contextmanager
def free_place(folder: Path, places: int) -> Iterator[int]:
    """A number below `places` no other training holds (0 where none is free): a lock that ends with its process."""
    for number in range(places):
        with (folder / f"place-{number}").open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    yield 0


def _follow(name: str, lines: Iterable[bytes], progress: Callable[[float], None]) -> list[dict[str, Any]]:
    """Pass shares and lines on until all processes are gone; return the errors in the order in which they came."""
    failures = []
    for message in _messages(lines):
        if "share" in message:
            progress(float(message["share"]))
        elif "line" in message:
            training_log().info("%s: %s", name, message["line"])
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


def _processes(trainers: Trainers) -> str:
    if trainers.count == 1:
        return f"The process that trains {trainers.name}"
    return f"One of the {trainers.count} processes that train {trainers.name}, without which none can go on,"


def _reason(trainers: Trainers, failures: list[dict[str, Any]], status: int, log: Path) -> KatflowError:
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
        f"{_processes(trainers)} failed ({met}). All that was said is in {log}; the same command goes on from the last "
        "checkpoint."
    )
