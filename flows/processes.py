"""Processes that outlive the command that started them, noted by name in a folder, with their logs."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.errors import ServiceError

SECONDS_TO_START = 180
SECONDS_TO_STOP = 30
RUN_ID = "PREFECT__FLOW_RUN_ID="
LOG_BYTES = 50_000_000
"""At the start of its process a longer log is put aside, in the place of the one before."""


@dataclass(frozen=True)
class Started:
    """A process that `up` started. pid alone can be another's by now; with its start time it cannot."""

    pid: int
    since: str

    @classmethod
    def of(cls, pid: int) -> "Started":
        return cls(pid, _start_time(pid) or "")

    @property
    def lives(self) -> bool:
        return bool(self.since) and _start_time(self.pid) == self.since


def lives(folder: Path, name: str) -> Started | None:
    """What an `up` started under this name, if it still lives."""
    try:
        known = Started(**json.loads((folder / f"{name}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.lives else None


def start(folder: Path, name: str, command: list[str], env: dict[str, str]) -> None:
    """Start a process in a session of its own, unless the one noted lives."""
    if lives(folder, name):
        return
    path = folder / f"{name}.log"
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    with path.open("ab") as log:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    note(folder / f"{name}.json", json.dumps(asdict(Started.of(process.pid))))


def note(path: Path, text: str) -> None:
    """Write a small file for this user alone, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


def wait(name: str, condition: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not condition():
        if not lives(folder, name) or time.monotonic() > deadline:
            raise ServiceError(f"The {name} does not come up. What it said is in {folder}/{name}.log.")
        time.sleep(0.3)


def stop(*started: Started) -> None:
    """Ask processes to end, and kill their sessions where they do not in time."""
    for one in started:
        _signal(one, os.kill, signal.SIGTERM)
    deadline = time.monotonic() + SECONDS_TO_STOP
    while any(one.lives for one in started) and time.monotonic() < deadline:
        time.sleep(0.1)
    for one in started:
        _signal(one, os.killpg, signal.SIGKILL)
        _signal(one, os.kill, signal.SIGKILL)


def _signal(started: Started, send: Callable[[int, int], None], which: int) -> None:
    """Only while it lives: its number may be another's by now."""
    if started.lives:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(started.pid, which)


def runs_left(folder: Path) -> dict[str, list[Started]]:
    """Processes of flow runs, by the run's id, that a worker of ours started; without one, nobody ends them."""
    ours = f"PREFECT_HOME={folder / 'prefect'}"
    found: dict[str, list[Started]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            known = (process / "environ").read_bytes().decode(errors="replace").split("\0")
            runs = [one.removeprefix(RUN_ID) for one in known if one.startswith(RUN_ID)]
            if ours in known and runs:
                found.setdefault(runs[0], []).append(Started.of(int(process.name)))
    return found


def _start_time(pid: int) -> str | None:
    """Of a process that lives, in the kernel's ticks; None where there is none, or a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
