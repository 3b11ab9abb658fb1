"""prefect.yaml against Prefect's own models; `flows.stack` with its deployments on a real server and worker."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx
import psutil
import pytest
import yaml
from prefect.cli.deploy._models import ConcurrencyLimitSpec, DeploymentConfig, RawScheduleConfig, WorkPoolConfig
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.importtools import import_object

from flows.automations import RETRIES
from flows.params import KatParams

ROOT = Path(__file__).parents[2]
YAML = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = YAML["deployments"]
NESTED = {"schedules": RawScheduleConfig, "concurrency_limit": ConcurrencyLimitSpec, "work_pool": WorkPoolConfig}


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
    client: SyncPrefectClient

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flows.stack", *arguments],
            cwd=self.checkout,
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.call("up", f"--port={self.ports[0]}", f"--files-port={self.ports[1]}")

    def pid(self, name: str) -> int:
        return int(json.loads((self.checkout / f".katflow/{name}.json").read_text())["pid"])

    def start(self, deployment: str, **params: Any) -> FlowRun:
        known = self.client.read_deployment_by_name(deployment)
        return self.client.create_flow_run_from_deployment(known.id, parameters={"params": params})

    def now(self, run: FlowRun) -> FlowRun:
        return self.client.read_flow_run(run.id)

    def finished(self, run: FlowRun) -> FlowRun:
        return wait(lambda: (now := self.now(run)).state and now.state.is_final() and now)

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


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("flows", "tasks", "prefect.yaml", "pyproject.toml"):
        (checkout / name).symlink_to(ROOT / name)
    ports = (free_port(), free_port())
    with (
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{ports[0]}/api"}),
        get_client(sync_client=True) as client,
    ):
        made = Stack(checkout, ports, client)
        try:
            done = made.up()
            assert done.returncode == 0, done.stdout + done.stderr
            yield made
        finally:
            made.call("down")


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_entry_points_are_flows_that_take_the_parameters(deployment: dict[str, Any]) -> None:
    flow = import_object(deployment["entrypoint"])
    assert flow.validate_parameters(deployment["parameters"])["params"]
    assert "katflow" in deployment["tags"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_no_key_is_unknown_to_prefect(deployment: dict[str, Any]) -> None:
    assert set(deployment) <= set(DeploymentConfig.model_fields)
    for name, model in NESTED.items():
        for given in deployment.get(name, []) if name == "schedules" else [deployment.get(name, {})]:
            assert set(given) <= set(model.model_fields)
            model.model_validate(given)


def test_every_flow_and_preset_has_a_deployment_and_one_schedule_is_active() -> None:
    modules = {path.stem for path in (ROOT / "flows").glob("*.py") if "@deployable(" in path.read_text()} - {"deployed"}
    assert {deployment["entrypoint"].split(".")[1] for deployment in DEPLOYMENTS} == modules
    for entrypoint in ("flows.kat.kat", "flows.experiment.experiment"):
        given = {of["parameters"]["params"]["preset"] for of in DEPLOYMENTS if of["entrypoint"] == entrypoint}
        assert given == set(get_args(KatParams.model_fields["preset"].annotation))
    active = [of["name"] for of in DEPLOYMENTS for schedule in of.get("schedules", []) if schedule["active"]]
    assert active == ["nightly"]


def test_the_nightly_schedule_gets_runs(stack: Stack) -> None:
    nightly = stack.client.read_deployment_by_name("lambda-terms/nightly")
    only = DeploymentFilter(id=DeploymentFilterId(any_=[nightly.id]))
    runs = wait(lambda: stack.client.read_flow_runs(deployment_filter=only))
    assert all(run.state and run.state.is_scheduled() for run in runs)


def test_up_again_starts_nothing_and_status_tells_what_runs(stack: Stack) -> None:
    pids = {name: stack.pid(name) for name in ("server", "worker", "files")}
    automations = [(of.id, of.name) for of in stack.client.read_automations()]
    again = stack.up()
    assert again.returncode == 0, again.stderr
    assert pids == {name: stack.pid(name) for name in pids}
    assert automations == [(of.id, of.name) for of in stack.client.read_automations()]
    said = stack.call("status").stdout
    assert all(f"{name:8} runs as process {pid}" in said for name, pid in pids.items())
    assert "Scheduled      nightly" in said


def test_kat_runs_as_a_deployment_and_its_results_are_linked(stack: Stack) -> None:
    params = {"until": "prompts", "out": "data/out/small", "terms": {"rows": 2000}, "pairs": {"count": 300}}
    run = stack.finished(stack.start("kat/demo", **params))
    assert run.state_name == "Completed", run.state
    assert (run.name, run.work_queue_name) == ("kat demo to prompts", "training")
    (results,) = [
        artifact
        for artifact in stack.client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        )
        if artifact.key == "results"
    ]
    link = f"http://127.0.0.1:{stack.ports[1]}/out/small/prompts.parquet"
    assert link in str(results.data)
    assert httpx.get(link).content == (stack.checkout / "data/out/small/prompts.parquet").read_bytes()


@pytest.mark.parametrize(
    ("deployment", "params"),
    [
        ("kat/demo", {"pairs": {"sources": ["file:/etc/passwd"]}}),
        ("lambda-terms/nightly", {"examples": 1000, "out": "../elsewhere"}),
    ],
)
def test_a_deployed_run_stays_in_the_data_folder(stack: Stack, deployment: str, params: dict[str, Any]) -> None:
    run = stack.finished(stack.start(deployment, **params))
    assert run.state_name == "Failed"
    assert "lies outside of" in str(run.state and run.state.message)
    assert not (stack.checkout.parent / "elsewhere").exists()


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("[!.]*") if path.is_file()}


def test_a_run_that_was_killed_goes_on_by_itself_and_the_next_night_has_another_seed(stack: Stack) -> None:
    """kill -9, as often as a run is repeated: the same run ends Completed, with the bytes of one never killed."""
    run = stack.start("lambda-terms/nightly", examples=3_000_000, workers=1, out="data/out/killed")
    before: set[Path] = set()
    for times in range(1, RETRIES + 1):
        wait(lambda known=before: stack.kept() - known)
        before = stack.kept()
        process = stack.process(run)
        os.kill(process.pid, signal.SIGKILL)
        wait(lambda killed=times: stack.now(run).run_count > killed)
    run = stack.finished(run)
    assert run.state_name == "Completed", run.state
    assert run.run_count == RETRIES + 1
    seed = json.loads((stack.checkout / "data/out/killed/manifest.json").read_text())["seed"]
    other = stack.finished(stack.start("lambda-terms/nightly", examples=1000, out="data/out/other"))
    assert other.state_name == "Completed"
    assert json.loads((stack.checkout / "data/out/other/manifest.json").read_text())["seed"] != seed
    undisturbed = stack.checkout / "undisturbed"
    undisturbed.mkdir()
    flags = ["--examples", "3000000", "--workers", "2", "--seed", str(seed), "--out", "made"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    subprocess.run([sys.executable, "-m", "flows.lambda_terms", *flags], cwd=undisturbed, env=env, check=True)
    assert files(undisturbed / "made") == files(stack.checkout / "data/out/killed")


def test_a_run_whose_worker_died_too_is_found_by_its_silence(stack: Stack) -> None:
    run = stack.start("lambda-terms/nightly", examples=3_000_000, workers=1, out="data/out/silent")
    wait(lambda: stack.kept())
    process = stack.process(run)
    died = time.monotonic()
    for pid in (stack.pid("worker"), process.pid):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: (state := stack.now(run).state) and state.name == "AwaitingRetry")
    assert time.monotonic() - died < 180
    assert stack.up().returncode == 0
    run = stack.finished(run)
    assert run.state_name == "Completed", run.state
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    assert [found.state_name for found in stack.client.read_flow_runs(flow_run_filter=only)] == ["Completed"]


def test_beyond_this_machine_a_password_is_asked_for(tmp_path: Path) -> None:
    for name in ("flows", "tasks", "prefect.yaml", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    port = free_port()
    with get_client(sync_client=True) as client:
        shared = Stack(tmp_path, (port, free_port()), client)
        try:
            done = shared.call("up", "--host=0.0.0.0", f"--port={port}", f"--files-port={shared.ports[1]}")
            assert done.returncode == 0, done.stdout + done.stderr
            password = tmp_path / ".katflow/password"
            assert password.stat().st_mode & 0o077 == 0
            assert password.read_text() not in done.stdout
            url = f"http://127.0.0.1:{port}/api/flows/count"
            assert httpx.post(url, json={}).status_code == 401
            user, _, secret = password.read_text().partition(":")
            assert httpx.post(url, json={}, auth=(user, secret)).json() > 0
            assert "server   runs as process" in shared.call("status").stdout
            again = shared.up()
            assert again.returncode == 0, again.stderr
        finally:
            assert shared.call("down").returncode == 0


def test_down_stops_what_up_started_and_nothing_else(stack: Stack) -> None:
    bystander = subprocess.Popen([sys.executable, "-m", "http.server", str(free_port())], stderr=subprocess.DEVNULL)
    pids = [stack.pid(name) for name in ("server", "worker", "files")]
    (stack.checkout / ".katflow/files.json").write_text(json.dumps({"pid": bystander.pid, "since": "1"}))
    try:
        assert stack.call("down").returncode == 0
        assert bystander.poll() is None
        assert not any(lives(pid) for pid in pids[:2])
    finally:
        bystander.kill()
        os.kill(pids[2], signal.SIGTERM)
