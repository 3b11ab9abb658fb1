"""Seconds, CPU seconds and peak memory of a command."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu: float
    """User and system, with those of child processes that were waited for."""
    peak: int
    """Resident bytes of the process itself."""

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s, {self.cpu:.1f} CPU s, {self.peak / 1e9:.2f} GB peak, load {os.getloadavg()[0]:.1f}"
        )


def python(folder: Path, *arguments: str) -> Cost:
    """What `python ARGUMENTS` costs in a folder; its output goes nowhere. Exits where it fails."""
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"python {' '.join(arguments)} ended with status {os.waitstatus_to_exitcode(status)}")
    return Cost(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


@contextmanager
def prefect_server() -> Iterator[psutil.Process]:
    """A server of Prefect's that runs, as for deployed flows, with a database of its own: `python` finds it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "flows.server", "--port", str(port)]
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "PREFECT_HOME": home}
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    httpx.get(f"{url}/health").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.2)
            os.environ["PREFECT_API_URL"] = url
            yield psutil.Process(server.pid)
        finally:
            os.environ.pop("PREFECT_API_URL", None)
            server.terminate()
            server.wait()
