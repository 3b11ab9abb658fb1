"""prefect.yaml against Prefect's own models, and its deployments on a real server with a real worker."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.importtools import import_object

ROOT = Path(__file__).parents[2]
PREFECT = str(Path(sys.executable).with_name("prefect"))
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def wait(condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> Any:
    """Poll until the condition holds; a deadline only turns a hang into a failure."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if value := condition():
            return value
        assert process is None or process.poll() is None, "the process ended"
        time.sleep(0.2)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncPrefectClient]:
    """A server of its own with prefect.yaml deployed and a process worker, on a copy of the checkout."""
    home = tmp_path_factory.mktemp("home")
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("flows", "tasks", "prefect.yaml", "pyproject.toml"):
        (checkout / name).symlink_to(ROOT / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    env = {**os.environ, "PREFECT_HOME": str(home), "PREFECT_API_URL": api, "PYTHONPATH": ""}
    start = lambda *command: subprocess.Popen(  # noqa: E731
        [PREFECT, *command], cwd=checkout, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    server = start("server", "start", "--host", "127.0.0.1", "--port", str(port))
    processes = [server]
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            wait(lambda: client.api_healthcheck() is None, server)
            for command in (["work-pool", "create", "katflow", "--type", "process"], ["deploy", "--all"]):
                done = subprocess.run(
                    [PREFECT, "--no-prompt", *command],
                    cwd=checkout,
                    env=env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stdout + done.stderr
            processes.append(start("worker", "start", "--pool", "katflow"))
            yield client
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(60)


def finished(client: SyncPrefectClient, run: FlowRun) -> FlowRun:
    def ended() -> FlowRun | None:
        now = client.read_flow_run(run.id)
        return now if now.state and now.state.is_final() else None

    return wait(ended)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_entry_points_are_flows_that_take_the_parameters(deployment: dict[str, Any]) -> None:
    flow = import_object(deployment["entrypoint"])
    checked = flow.validate_parameters(deployment.get("parameters", {}))
    assert checked["params"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_no_key_is_unknown_to_prefect(deployment: dict[str, Any]) -> None:
    from prefect.cli.deploy._models import DeploymentConfig

    assert set(deployment) <= set(DeploymentConfig.model_fields)


def test_the_nightly_schedule_gets_runs(client: SyncPrefectClient) -> None:
    nightly = client.read_deployment_by_name("lambda-terms/nightly")
    only = DeploymentFilter(id=DeploymentFilterId(any_=[nightly.id]))
    runs = wait(lambda: client.read_flow_runs(deployment_filter=only))
    assert all(run.state and run.state.is_scheduled() for run in runs)


def test_kat_runs_as_a_deployment(client: SyncPrefectClient, tmp_path: Path) -> None:
    demo = client.read_deployment_by_name("kat/demo")
    params = {"until": "prompts", "out": str(tmp_path), "terms": {"rows": 2000}, "pairs": {"count": 300}}
    run = finished(client, client.create_flow_run_from_deployment(demo.id, parameters={"params": params}))
    assert run.state_name == "Completed", run.state
    assert (tmp_path / "prompts.parquet").stat().st_size > 0
    assert run.name == "kat demo to prompts"


def test_lambda_terms_runs_as_a_deployment_with_a_seed_of_its_own(client: SyncPrefectClient, tmp_path: Path) -> None:
    nightly = client.read_deployment_by_name("lambda-terms/nightly")
    made = []
    for night in ("one", "two"):
        params = {"examples": 1000, "out": str(tmp_path / night)}
        run = finished(client, client.create_flow_run_from_deployment(nightly.id, parameters={"params": params}))
        assert run.state_name == "Completed", run.state
        made.append((tmp_path / night / "train" / "part-00000.parquet").read_bytes())
    assert made[0] != made[1]
