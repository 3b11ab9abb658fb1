"""A copy of the checkout with `make up`'s server, worker and file server, for tests and benches: all of it real."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

ROOT = Path(__file__).parents[1]


def wait(condition: Callable[[], Any]) -> Any:
    """Poll until the condition holds; a deadline only turns a hang into a failure."""
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Stack:
    """What `flows.stack up` started in a copy of the checkout."""

    checkout: Path
    ports: tuple[int, int]
    flags: tuple[str, ...]
    client: SyncPrefectClient = field(init=False)

    @property
    def settings(self) -> dict[Any, str | None]:
        """Prefect's, of who works with this stack."""
        password = self.checkout / ".katflow/password"
        return {
            PREFECT_API_URL: f"http://127.0.0.1:{self.ports[0]}/api",
            PREFECT_API_AUTH_STRING: password.read_text() if password.exists() else None,
        }

    @property
    def env(self) -> dict[str, str]:
        """Of a shell in which flows are run on this stack."""
        given = {setting.name: value for setting, value in self.settings.items() if value}
        return {**os.environ, "PYTHONPATH": "", **given}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flows.stack", *arguments],
            cwd=self.checkout,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.call("up", f"--port={self.ports[0]}", f"--files-port={self.ports[1]}", *self.flags)

    def pid(self, name: str) -> int:
        return int(json.loads((self.checkout / f".katflow/{name}.json").read_text())["pid"])

    def start(self, deployment: str, **params: Any) -> FlowRun:
        known = self.client.read_deployment_by_name(deployment)
        return self.client.create_flow_run_from_deployment(known.id, parameters={"params": params})

    def now(self, run: FlowRun) -> FlowRun:
        return self.client.read_flow_run(run.id)

    def finished(self, run: FlowRun) -> FlowRun:
        """When it has ended; a crash is no end, it goes on."""
        return wait(lambda: (now := self.now(run)).state_name in ("Completed", "Failed", "Cancelled") and now)

    def process(self, run: FlowRun) -> psutil.Process:
        """That in which a run goes on: a worker's child that knows the run by its environment."""

        def found() -> psutil.Process | None:
            for child in psutil.Process(self.pid("worker")).children(recursive=True):
                try:
                    if child.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id):
                        return child
                except psutil.Error:
                    continue
            return None

        return wait(found)

    def kept(self) -> set[Path]:
        return set((self.checkout / "data/terms/.work").glob("*/records/part-*.record"))

    def manifest(self, stage: str) -> dict[str, Any]:
        """Of the only finished artifact of a stage."""
        (only,) = self.manifests(stage)
        return only

    def manifests(self, stage: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (self.checkout / "data" / stage).glob("[!.]*/manifest.json")]


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_a_dask_worker(cluster: "subprocess.Popen[str]") -> None:
    """One of the processes of the local cluster that a flow started: its nanny starts another."""
    children = psutil.Process(cluster.pid).children(recursive=True)
    next(child for child in children if "spawn_main" in " ".join(child.cmdline())).kill()


def files(folder: Path) -> dict[str, bytes]:
    """Content of all that is not hidden, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("[!.]*") if path.is_file()}


def link_checkout(folder: Path) -> None:
    """Make a folder a checkout of this one's code; what it has of its own stays."""
    for name in {"flows", "tasks", "prefect.yaml", "pyproject.toml"} - {path.name for path in folder.iterdir()}:
        (folder / name).symlink_to(ROOT / name)


@contextmanager
def stack_in(checkout: Path, *flags: str) -> Iterator[Stack]:
    """What `make up` starts, in an empty folder, or one with a prefect.yaml of its own; stopped at the end."""
    link_checkout(checkout)
    ports = (free_port(), free_port())
    made = Stack(checkout, ports, flags)
    try:
        done = made.up()
        assert done.returncode == 0, done.stdout + done.stderr
        with temporary_settings(made.settings), get_client(sync_client=True) as made.client:
            yield made
    finally:
        made.call("down")
