"""What a team leaves running on one machine: Prefect's server, a worker, and the results as web pages.

    python -m flows.stack up       # start what does not run yet; deploy prefect.yaml; apply the automations
    python -m flows.stack status   # what runs, what comes next, what came last
    python -m flows.stack down     # stop what `up` started, and nothing else

What it starts is noted in `.katflow/` with process number and start time; logs lie beside the notes. What a later `up`
is not told is as it was before.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled
from pydantic import Field

from flows import postgres
from flows.automations import TAG, apply
from flows.cli import parse
from flows.processes import lives, note, runs_left, start, stop, wait
from tasks.artifact import data_root
from tasks.errors import KatflowError, ServiceError, first_line
from tasks.params import Params

POOL = "katflow"
TRAINING = "training"
"""The pool's queue of deployments that train: two at once would share one machine."""
LOOPBACK = "127.0.0.1"
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
DATABASES = (DATABASE, "PREFECT_API_DATABASE_CONNECTION_URL", "KATFLOW_DB")
"""Of the caller's shell: another server's, or with a password that only the server needs."""
PREFECT = str(Path(sys.executable).with_name("prefect"))
SHOWN = 10


class StackParams(Params):
    """Prefect's server, a worker of pool katflow and a server of result files, on this machine."""

    db: str = Field(
        "sqlite",
        pattern=r"^(sqlite|postgres|postgresql\+asyncpg://.+)$",
        description="sqlite; postgres, a cluster of the checkout's own; or the URL of one: postgresql+asyncpg://…",
    )
    host: str = Field(
        LOOPBACK,
        pattern=r"^[\w.-]+$",
        description="IPv4 address or name to listen on; beyond loopback, or with Postgres, a password is on",
    )
    port: int = Field(4200, ge=1, lt=2**16, description="of the server and its UI")
    files_port: int = Field(4201, ge=1, lt=2**16, description="of the result files, always on loopback")
    limit: int = Field(4, ge=1, description="flow runs at once; of deployments that train, one")

    @property
    def is_shared(self) -> bool:
        """Whether others than this machine's user are to reach it."""
        return self.db != "sqlite" or self.host != LOOPBACK

    @property
    def url(self) -> str:
        """Where this machine finds the server."""
        return f"http://{LOOPBACK if self.host == '0.0.0.0' else self.host}:{self.port}"


def up(p: StackParams) -> None:
    """Start the server, the pool, all deployments, the automations, a worker and the file server; what runs stays."""
    folder = state_folder()
    _refuse_other(folder, p)
    for name, host, port, flag in (
        ("server", p.host, p.port, "--port"),
        ("files", LOOPBACK, p.files_port, "--files-port"),
    ):
        if not lives(folder, name):
            _refuse_taken(host, port, flag)
    _remember(folder, p)
    auth = _password(folder, make=p.is_shared)
    env = environment(p, auth)
    database = postgres.start(postgres.cluster_of(folder)) if p.db == "postgres" else p.db
    on = {} if database == "sqlite" else {DATABASE: database}
    server = [sys.executable, "-m", "flows.server", "--host", p.host, "--port", str(p.port)]
    start(folder, "server", server, {**env, **on})
    wait("server", lambda: _is_up(p.url), folder)
    with _client(p.url, auth) as client:
        _open_pool(client, p.limit)
        _deploy(client, folder, p.db, env)
        apply(client)
        if not lives(folder, "worker"):
            _end_cancelled(client, folder)
        # The limit is the pool's: with one of its own a worker dies of a run that comes back to it (Prefect 3.8.8).
        since = datetime.now(UTC) if not lives(folder, "worker") else None
        start(folder, "worker", [PREFECT, "worker", "start", "--pool", POOL, "--name", socket.gethostname()], env)
        data_root().mkdir(exist_ok=True)
        files = [sys.executable, "-m", "http.server", str(p.files_port), "--bind", LOOPBACK, "--directory", "data"]
        start(folder, "files", files, env)
        wait("files", lambda: _listens(LOOPBACK, p.files_port), folder)
        if since:
            wait("worker", lambda: _worker_is_heard(client, since), folder)
    print(f"The UI is at {p.url}, results are at {_files_url(p)}. For `prefect …` and `python -m flows.…` in a shell:")
    print(f"    export PREFECT_API_URL={p.url}/api")
    if auth:
        print(f'    export PREFECT_API_AUTH_STRING="$(cat {folder / "password"})"')


def down() -> None:
    """Stop what `up` started and still lives, the worker first so that runs end with it; nothing else."""
    folder = state_folder()
    for name in ("worker", "files", "server"):
        if known := lives(folder, name):
            stop(known)
        (folder / f"{name}.json").unlink(missing_ok=True)
        if name == "worker":
            stop(*itertools.chain.from_iterable(runs_left(folder).values()))
    postgres.stop(postgres.cluster_of(folder))


def status() -> None:
    """Print what runs, the next scheduled runs and the last ones."""
    folder = state_folder()
    for name in ("server", "worker", "files"):
        known = lives(folder, name)
        print(f"{name:8} {f'runs as process {known.pid}' if known else 'does not run'}")
    p = _last(folder)
    if p is None:
        return
    if not _is_up(p.url):
        raise ServiceError(f"No server answers at {p.url}. Start it with `make up`; its log is {folder}/server.log.")
    with _client(p.url, _password(folder)) as client:
        ours = {deployment.id: deployment.name for deployment in client.read_deployments()}
        begun = {"not_any_": [StateType.SCHEDULED]}
        waiting = {"any_": [StateType.SCHEDULED]}
        for which, sort in ((begun, FlowRunSort.START_TIME_DESC), (waiting, FlowRunSort.EXPECTED_START_TIME_ASC)):
            only = FlowRunFilter.model_validate({"state": {"type": which}, "tags": {"all_": [TAG]}})
            for run in client.read_flow_runs(flow_run_filter=only, sort=sort, limit=SHOWN):
                when = (run.expected_start_time or run.created or datetime.now(UTC)).astimezone()
                name = ours.get(run.deployment_id, "") if run.deployment_id else ""
                print(f"{when:%Y-%m-%d %H:%M %Z}  {run.state_name:14} {name:18} {run.name}")


def environment(p: StackParams, auth: str | None) -> dict[str, str]:
    """Of all that `up` starts: this process's, with a Prefect home of the checkout's own."""
    ours = {
        "PREFECT_HOME": str(state_folder() / "prefect"),
        "PREFECT_API_URL": f"{p.url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        # Else a run that outlives a restart of the server is ended: its slot's lease was in the server's memory.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Else who fell silent while the server was away is never found.
        "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P30D",
        # Else any web page that a user looks at may start runs here.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": p.url,
        "PREFECT_SERVER_UI_API_URL": "/api",  # by whichever name a browser knows this machine
        "KATFLOW_FILES_URL": _files_url(p),
    }
    if auth:
        ours |= {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}
    others = {name: value for name, value in os.environ.items() if name not in DATABASES}
    return {**others, **ours}


def state_folder() -> Path:
    return Path(".katflow").absolute()


def main(argv: list[str]) -> NoReturn:
    """Exits with 0 done, 1 failed with one message, 2 on bad flags."""
    action, flags = (argv[0], argv[1:]) if argv else ("", [])
    actions: dict[str, Callable[[], None]] = {"down": down, "status": status}
    program = f"python -m flows.stack {action or 'up|down|status'}"
    if action == "up":
        given = parse(StackParams, [*_database_given(flags), *flags], program)
        last = _last(state_folder()) or StackParams()
        params = last.model_copy(update=given.model_dump(include=given.model_fields_set))
        actions["up"] = lambda: up(params)
    if action not in actions or (flags and action != "up"):
        print(f"error: {program} is not known: up [flags], down or status.", file=sys.stderr)
        sys.exit(2)
    try:
        with contextlib.nullcontext() if action == "status" else _alone(state_folder()):
            actions[action]()
    except KatflowError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.strerror} at {error.filename}. Mend it and run the same command again.")
    except KeyboardInterrupt:
        sys.exit("interrupted: what was started stays; the same command goes on from there, `make down` stops it")
    except (httpx.HTTPError, PrefectException) as error:
        sys.exit(
            f"error: the server does not answer as it should ({first_line(error)}). Its log is in .katflow; "
            "`make down` and `make up` start it again."
        )
    sys.exit(0)


def _database_given(flags: list[str]) -> list[str]:
    """From the environment, which other users of the machine cannot read: a database's URL may hold a password."""
    given = os.environ.get("KATFLOW_DB")
    return [f"--db={given}"] if given and not any(flag.startswith("--db") for flag in flags) else []


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for another `up` or `down` in this checkout. The lock is the kernel's: it ends with the process."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _client(url: str, auth: str | None) -> Iterator[SyncPrefectClient]:
    settings = {PREFECT_API_URL: f"{url}/api", PREFECT_API_AUTH_STRING: auth}
    with temporary_settings(settings), get_client(sync_client=True) as client:
        yield client


def _refuse_other(folder: Path, p: StackParams) -> None:
    """Raise ServiceError where a server runs that another address or database was meant for."""
    last = _last(folder)
    if last and any(lives(folder, name) for name in ("server", "worker", "files")):
        other = [name for name in ("db", "host", "port", "files_port") if getattr(p, name) != getattr(last, name)]
        if other:
            raise ServiceError(
                f"What runs was started with another --{' and --'.join(other).replace('_', '-')}. Stop it first, with "
                "`make down`."
            )


def _remember(folder: Path, p: StackParams) -> None:
    """For the next `up`."""
    note(folder / "stack.json", p.model_dump_json())


def _last(folder: Path) -> StackParams | None:
    """None where there is no note, or one that an older checkout or a bad disk left."""
    try:
        return StackParams.model_validate_json((folder / "stack.json").read_text())
    except (OSError, ValueError):
        return None


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health", timeout=5).status_code in (200, 401)
    except httpx.HTTPError:
        return False


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _worker_is_heard(client: SyncPrefectClient, since: datetime) -> bool:
    """Whether a worker of the pool has told the server since then that it is there."""
    heard = [worker.last_heartbeat_time for worker in client.read_workers_for_work_pool(POOL)]
    return any(at is not None and at >= since for at in heard)


def _end_cancelled(client: SyncPrefectClient, folder: Path) -> None:
    """End what was to be cancelled while no worker lived to do so: the next one leaves others' processes alone."""
    left = runs_left(folder)
    cancelled = {"type": {"any_": [StateType.CANCELLING, StateType.CANCELLED]}}
    only = FlowRunFilter.model_validate({"id": {"any_": list(left)}, "state": cancelled})
    ended: State[Any] = Cancelled(message="It was to be cancelled, and ended when a worker was started.")
    for run in client.read_flow_runs(flow_run_filter=only) if left else []:
        stop(*left[str(run.id)])
        client.set_flow_run_state(run.id, ended, force=True)


def _refuse_taken(host: str, port: int, flag: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(
                f"Port {port} at {host} cannot be used ({error.strerror}): what this checkout starts is not what holds "
                f"it. Stop that, or give another {flag} ({flag[2:].upper().replace('-', '_')}=… of make)."
            ) from None


def _open_pool(client: SyncPrefectClient, limit: int) -> None:
    """The pool with so many runs at once, and its queue of one at a time; a pause that somebody set stays."""
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=limit))
    try:
        known = client.read_work_queue_by_name(TRAINING, work_pool_name=POOL)
    except ObjectNotFound:
        client.create_work_queue(TRAINING, work_pool_name=POOL, concurrency_limit=1)
    else:
        client.update_work_queue(known.id, concurrency_limit=1)


def _deploy(client: SyncPrefectClient, folder: Path, db: str, env: dict[str, str]) -> None:
    """Bring a database to what prefect.yaml says; if it was before, what people set in the UI since then stays.

    A deployment that has gone from prefect.yaml goes, if it was this checkout that made it.
    """
    text = Path("prefect.yaml").read_bytes()
    try:
        named = {of["name"] for of in yaml.safe_load(text)["deployments"]}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ServiceError(f"prefect.yaml names no deployments ({first_line(error)}). Mend it.") from None
    known = {of.name: of.id for of in client.read_deployments() if TAG in of.tags}
    noted, wanted = folder / "deployed.json", hashlib.sha256(db.encode() + text).hexdigest()
    before = _deployed(noted)
    if before["of"] == wanted and named <= known.keys():
        return
    for gone in known.keys() & set(before["names"]) - named:
        client.delete_deployment(known[gone])
    done = subprocess.run(
        [PREFECT, "--no-prompt", "deploy", "--all"], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ServiceError(f"prefect.yaml could not be deployed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    note(noted, json.dumps({"of": wanted, "names": sorted(named)}))


def _deployed(noted: Path) -> dict[str, Any]:
    """Of what text this checkout deployed what; nothing where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(noted.read_text())
        if isinstance(read, dict) and read.keys() == {"of", "names"}:
            return read
    return {"of": "", "names": []}


def _password(folder: Path, make: bool = False) -> str | None:
    """user:password of basic authentication: made once, readable by this user alone, and asked for from then on."""
    path = folder / "password"
    if make and not path.exists():
        note(path, f"katflow:{secrets.token_urlsafe(24)}")
    if not path.exists():
        return None
    if not (known := path.read_text().strip()):
        raise ServiceError(f"{path} is empty, and a server without a password would be open. Remove it for a new one.")
    return known


def _files_url(p: StackParams) -> str:
    return f"http://{LOOPBACK}:{p.files_port}"


if __name__ == "__main__":
    main(sys.argv[1:])
