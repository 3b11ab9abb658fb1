"""prefect.yaml against Prefect's own models; `flows.stack` with its deployments on a real server and worker."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar, get_args

import httpx
import pytest
import yaml
from prefect import flow
from prefect.blocks.system import Secret
from prefect.cli.deploy._models import (
    ConcurrencyLimitSpec,
    DeploymentConfig,
    PrefectYamlModel,
    RawScheduleConfig,
    WorkPoolConfig,
)
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
)
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, Settings
from prefect.settings.legacy import _get_valid_setting_names
from prefect.states import Running
from prefect.utilities.importtools import import_object
from prefect.workers.process import ProcessVariables
from pydantic import BaseModel

from flows.automations import RETRIES
from flows.deployed import require_inside
from flows.params import KatParams
from tasks.artifact import data_root
from tests.stack import ROOT, Stack, files, free_port, link_checkout, lives, stack_in, wait

YAML = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = YAML["deployments"]
DEFINITIONS = "definitions"
"""Of anchors: Prefect reads them where they are named."""
NESTED: dict[str, type[BaseModel]] = {
    "deployments": DeploymentConfig,
    "schedules": RawScheduleConfig,
    "concurrency_limit": ConcurrencyLimitSpec,
    "work_pool": WorkPoolConfig,
    "job_variables": ProcessVariables,
}

SECRETS = {"HF_TOKEN": "hf_fGhIjKlMnOpQrStUv", "WANDB_API_KEY": "5ba9f1e2d3c4b5a69788", "SOME_SECRET": "nobody-knows"}
BLOCK = "of-a-prefect-block"


@flow
def died_before_its_first_heartbeat() -> None:
    """Never called: only the server knows of it."""


class AskedForAToken(BaseHTTPRequestHandler):
    """A hub that lets nobody in."""

    given: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        self.given.add(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        with stack_in(tmp_path_factory.mktemp("checkout")) as made:
            yield made


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_entry_points_are_flows_that_take_the_parameters(deployment: dict[str, Any]) -> None:
    entry = import_object(deployment["entrypoint"])
    params = entry.validate_parameters(deployment["parameters"])["params"]
    require_inside(params, [data_root()])
    assert "katflow" in deployment["tags"]


def unknown(given: dict[str, Any], model: type[BaseModel]) -> list[str]:
    """Keys that Prefect would leave out and say nothing, at any depth. Raises ValueError for values it cannot take."""
    model.model_validate(given)
    fields = {field.alias or name for name, field in model.model_fields.items()}
    found = sorted(given.keys() - fields)
    if model is ProcessVariables:
        prefects = {name for name in given.get("env", {}) if name.startswith("PREFECT_")}
        found += sorted(prefects - _get_valid_setting_names(Settings))
    for name in given.keys() & NESTED.keys():
        for one in given[name] if isinstance(given[name], list) else [given[name]]:
            found += [f"{name}.{key}" for key in unknown(one, NESTED[name])]
    return found


def test_no_key_is_unknown_to_prefect() -> None:
    assert unknown(YAML, PrefectYamlModel) == [DEFINITIONS]


@pytest.mark.parametrize(
    ("line", "instead", "found"),
    [
        ("\nname: katflow", "\nnames: katflow", "names"),
        ("  - name: nightly\n", "  - name: nightly\n    tag: [a]\n", "deployments.tag"),
        ("    limit: 1", "    limits: 1", "deployments.concurrency_limit.limits"),
        ("    work_queue_name:", "    work_queue:", "deployments.work_pool.work_queue"),
        ("    env:\n", "    environment:\n", "deployments.work_pool.job_variables.environment"),
        ("PREFECT_FLOWS_HEART", "PREFECT_FLOW_HEART", "job_variables.PREFECT_FLOW_HEARTBEAT_FREQUENCY"),
    ],
)
def test_a_slip_of_the_pen_anywhere_is_found(line: str, instead: str, found: str) -> None:
    text = (ROOT / "prefect.yaml").read_text()
    assert line in text
    (only,) = set(unknown(yaml.safe_load(text.replace(line, instead)), PrefectYamlModel)) - {DEFINITIONS}
    assert only.endswith(found)


@pytest.mark.parametrize(("line", "instead"), [('FREQUENCY: "30"', "FREQUENCY: 30"), ("cron:", "corn:")])
def test_values_that_prefect_cannot_take_are_found(line: str, instead: str) -> None:
    text = (ROOT / "prefect.yaml").read_text()
    with pytest.raises(ValueError, match="validation error"):
        unknown(yaml.safe_load(text.replace(line, instead)), PrefectYamlModel)


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


def test_a_run_that_the_scheduler_starts_completes(stack: Stack) -> None:
    demo = stack.client.read_deployment_by_name("lambda-terms/lambda-terms-demo")
    schedules = f"{stack.settings[PREFECT_API_URL]}/deployments/{demo.id}/schedules"
    every_minute = {"schedule": {"cron": "* * * * *", "timezone": "Europe/Berlin"}, "active": True}
    params = {"params": {"examples": 1000, "out": "data/out/scheduled"}}
    (made,) = httpx.post(schedules, json=[{**every_minute, "parameters": params}]).raise_for_status().json()
    try:
        only = FlowRunFilter.model_validate({"state": {"name": {"any_": ["Completed"]}}})
        of = DeploymentFilter(id=DeploymentFilterId(any_=[demo.id]))
        runs = wait(lambda: stack.client.read_flow_runs(flow_run_filter=only, deployment_filter=of))
    finally:
        httpx.delete(f"{schedules}/{made['id']}").raise_for_status()
    assert all(run.auto_scheduled for run in runs)
    assert (stack.checkout / "data/out/scheduled/manifest.json").exists()


def test_up_again_starts_nothing_and_status_tells_what_runs(stack: Stack) -> None:
    pids = {name: stack.pid(name) for name in ("server", "worker", "files")}
    automations = [(of.id, of.name) for of in stack.client.read_automations()]
    demo = stack.client.read_deployment_by_name("lambda-terms/lambda-terms-demo")
    stack.client.pause_deployment(demo.id)
    again = stack.up()
    assert again.returncode == 0, again.stderr
    assert pids == {name: stack.pid(name) for name in pids}
    assert automations == [(of.id, of.name) for of in stack.client.read_automations()]
    assert stack.client.read_deployment(demo.id).paused
    stack.client.resume_deployment(demo.id)
    said = stack.call("status").stdout
    assert all(f"{name:8} runs as process {pid}" in said for name, pid in pids.items())
    noted = stack.checkout / ".katflow/stack.json"
    kept = noted.read_text()
    for torn in ("", "{", '{"db": 1}'):
        noted.write_text(torn)
        assert "Traceback" not in stack.call("status").stderr
        assert stack.up().returncode == 0
    assert noted.read_text() == kept
    assert "Scheduled      nightly" in said


@pytest.mark.parametrize("taken", [0, 1])
def test_another_checkout_leaves_a_server_that_is_not_its_own_alone(stack: Stack, tmp_path: Path, taken: int) -> None:
    link_checkout(tmp_path)
    ports = (stack.ports[0], free_port()) if taken == 0 else (free_port(), stack.ports[1])
    other = Stack(tmp_path, ports, ())
    refused = other.up()
    assert refused.returncode == 1
    assert f"Port {ports[taken]} at 127.0.0.1 cannot be used" in refused.stderr
    assert not list((tmp_path / ".katflow").glob("*.json"))
    assert other.call("down").returncode == 0
    assert lives(stack.pid("server"))


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
        ("novelty/novelty", {"seeds": 1}),  # whose data lie elsewhere by default
    ],
)
def test_a_deployed_run_stays_in_the_data_folder(stack: Stack, deployment: str, params: dict[str, Any]) -> None:
    run = stack.finished(stack.start(deployment, **params))
    assert run.state_name == "Failed"
    assert "lies outside of" in str(run.state and run.state.message)
    assert not (stack.checkout.parent / "elsewhere").exists()


def test_a_deployed_run_takes_no_encoder_from_elsewhere_by_a_list_of_experiments(stack: Stack) -> None:
    given = stack.checkout / "data/in/experiments.yaml"
    given.parent.mkdir(parents=True)
    given.write_text("[{name: theirs, encoder_name: /etc}]")
    params = {"experiments": "data/in/experiments.yaml", "data": "data/in/problems.parquet"}
    run = stack.finished(stack.start("novelty/novelty", **params))
    assert run.state_name == "Failed"
    assert "--encoder /etc: /etc lies outside of" in str(run.state and run.state.message)


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


def test_a_run_whose_worker_died_too_is_found_by_its_silence_and_one_that_slept_completes_once(stack: Stack) -> None:
    run = stack.start("lambda-terms/nightly", examples=3_000_000, workers=1, out="data/out/silent")
    slept = stack.start("lambda-terms/lambda-terms-demo", examples=1_000_000, workers=1, out="data/out/slept")
    unheard = stack.client.create_flow_run(died_before_its_first_heartbeat, tags=["katflow"])
    stack.client.set_flow_run_state(unheard.id, Running())
    sleeper, process = stack.process(slept), stack.process(run)
    wait(lambda: stack.now(slept).state_name == "Running" and stack.kept())
    sleeper.suspend()
    died = time.monotonic()
    for pid in (stack.pid("worker"), process.pid):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: (state := stack.now(run).state) and state.name == "AwaitingRetry")
    assert time.monotonic() - died < 180
    for one in (slept, unheard):
        wait(lambda run=one: "Crashed" in [state.name for state in stack.client.read_flow_run_states(run.id)])
    stack.client.delete_flow_run(unheard.id)
    sleeper.resume()  # Prefect ends it where it asks next: it has been called dead
    assert stack.up().returncode == 0
    for one in (run, slept):
        assert stack.finished(one).state_name == "Completed"
        states = [state.name for state in stack.client.read_flow_run_states(one.id)]
        assert states.count("Completed") == 1


def test_a_run_that_died_before_it_began_is_repeated(stack: Stack) -> None:
    run = stack.start("lambda-terms/nightly", examples=1000, out="data/out/begun")
    process = stack.process(run)
    for pid in (stack.pid("worker"), process.pid):
        os.kill(pid, signal.SIGKILL)
    assert stack.now(run).state_type == StateType.PENDING
    wait(lambda: stack.now(run).state_name == "AwaitingRetry")
    assert stack.up().returncode == 0
    assert stack.finished(run).state_name == "Completed"
    assert stack.now(run).run_count == 1


def test_what_dies_whenever_it_is_to_begin_or_to_begin_again_is_given_up(stack: Stack) -> None:
    nightly = stack.client.read_deployment_by_name("lambda-terms/nightly")
    once = stack.start("lambda-terms/lambda-terms-demo", examples=15_000_000, workers=1, out="data/out/once")
    never = stack.client.create_flow_run_from_deployment(nightly.id, job_variables={"command": "false"})
    wait(lambda: stack.now(once).state_name == "Running")
    demo = stack.client.read_deployment_by_name("lambda-terms/lambda-terms-demo")
    broken = {**demo.job_variables, "command": "false"}
    stack.client.update_deployment(demo.id, DeploymentUpdate(job_variables=broken))
    stack.process(once).kill()
    ended = [stack.finished(run) for run in (never, once)]
    stack.client.update_deployment(demo.id, DeploymentUpdate(job_variables=demo.job_variables))
    for run, begun in zip(ended, (0, 1), strict=True):
        assert (run.state_name, run.run_count) == ("Failed", begun)
        assert "repeated 3 times in vain: see the worker's log" in str(run.state and run.state.message)
        states = [state.name for state in stack.client.read_flow_run_states(run.id)]
        assert states.count("Crashed") == RETRIES + 1


def test_beyond_this_machine_a_password_is_asked_for(tmp_path: Path) -> None:
    with stack_in(tmp_path, "--host=0.0.0.0") as shared:
        password = tmp_path / ".katflow/password"
        assert password.stat().st_mode & 0o077 == 0
        ports = [f"--port={shared.ports[0]}", f"--files-port={shared.ports[1]}"]
        again = shared.call("up", *ports)
        assert again.returncode == 0, again.stderr
        assert password.read_text() not in again.stdout
        url = f"http://127.0.0.1:{shared.ports[0]}/api/flows/count"
        assert httpx.post(url, json={}).status_code == 401
        user, _, secret = password.read_text().partition(":")
        assert httpx.post(url, json={}, auth=(user, secret)).json() > 0
        assert "server   runs as process" in shared.call("status").stdout
        assert httpx.get(url.replace("api/flows/count", "ui-settings")).json()["api_url"] == "/api"
        password.write_text("")
        refused = shared.call("up", *ports)
        assert refused.returncode == 1
        assert "password is empty, and a server without a password would be open" in refused.stderr


def test_no_secret_of_environment_or_block_is_written_anywhere(stack: Stack) -> None:
    """Runs knew them, one that failed at a hub too: not in manifests, logs, artifacts or the server's database."""
    Secret(value=BLOCK).save("token")
    params = {"pairs": {"sources": ["hf:no/such"]}, "until": "pairs", "out": "data/out/secret"}
    hub = HTTPServer(("127.0.0.1", 0), AskedForAToken)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    env = {"FROM_BLOCK": "{{ prefect.blocks.secret.token }}", "HF_HUB_OFFLINE": "0"}
    env["HF_ENDPOINT"] = f"http://127.0.0.1:{hub.server_port}"
    demo = stack.client.read_deployment_by_name("kat/demo")
    run = stack.client.create_flow_run_from_deployment(
        demo.id, parameters={"params": params}, job_variables={"env": env}
    )
    environ = stack.process(run).environ()
    assert {name: environ[name] for name in SECRETS} == SECRETS
    assert environ["FROM_BLOCK"] == BLOCK
    assert stack.finished(run).state_name == "Failed"
    hub.shutdown()
    assert f"Bearer {SECRETS['HF_TOKEN']}" in AskedForAToken.given
    kept = [path for folder in ("data", ".katflow") for path in (stack.checkout / folder).rglob("*") if path.is_file()]
    assert any(path.name.startswith("prefect.db") for path in kept)
    for path in kept:
        content = path.read_bytes()
        assert not [value for value in (BLOCK, *SECRETS.values()) if value.encode() in content], path


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
