"""What holds for every flow from parameters to published files, however it was started.

A run that a deployment started is read and repeated by others than who typed its parameters. So it reads and writes
inside the data folder only, unless the deployment's environment allows other folders; the command line takes the user's
own paths. That keeps mistakes in, not enemies out: who may start runs on a process worker may run any command on it.
"""

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

from prefect import Flow, State, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Completed

from tasks.artifact import data_root
from tasks.embed.params import POLICY
from tasks.errors import InputError
from tasks.minilm import MINILM_NAMES
from tasks.params import Params
from tasks.reporting import show_files
from tasks.walk import everything

ALLOWED = "KATFLOW_ALLOWED_PATHS"
"""Folders besides the data folder, separated as in PATH: a deployment's job_variables.env sets it."""

CODE = Path(inspect.getfile(Params)).parent
NAMES = {"lambda", POLICY, *MINILM_NAMES}
"""Text that is no path even where a file is called so."""

Published = dict[str, Path]


def deployable(name: str, run_name: str) -> Callable[[Callable[..., Published]], Flow[..., Published]]:
    """A Prefect flow of one argument, `params`, that returns what it published, by name.

    run_name: a template over `params`.
    """

    def decorate(function: Callable[..., Published]) -> Flow[..., Published]:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:  # Published, or a State to end in
            if ended := ended_before():
                return ended
            for params in (*args, *kwargs.values()):
                require_allowed(params)
            published = function(*args, **kwargs)
            show_files(published, os.environ.get("KATFLOW_FILES_URL"))
            return published

        return flow(name=name, flow_run_name=run_name)(guarded)

    return decorate


def ended_before() -> State[Any] | None:
    """How a deployed run that was repeated had ended already; None where it is to go on.

    It has completed where its process was only asleep when it was called dead. It is cancelled where somebody wanted
    that and it died before its worker had done so.
    """
    if deployment.id is None or flow_run.run_count < 2:
        return None
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(UUID(flow_run.id))
    history = [of.type for of in sorted(states, key=lambda of: of.timestamp)]
    if StateType.COMPLETED in history and StateType.SCHEDULED not in _since(history, StateType.COMPLETED):
        return Completed(message="It had completed: its process was only asleep when this repeat of it was begun.")
    if StateType.CANCELLING in history and StateType.CANCELLED not in _since(history, StateType.CANCELLING):
        return Cancelled(message="It was to be cancelled, and died before it was.")
    return None


def _since(history: list[StateType], last: StateType) -> list[StateType]:
    return history[len(history) - history[::-1].index(last) :]


def require_allowed(params: Params) -> None:
    """Raise InputError where a deployed run would leave the folders that it may touch; other runs may go anywhere."""
    if deployment.id is not None:
        require_inside(params, allowed_folders())


def allowed_folders() -> list[Path]:
    """Where a deployed run may read and write."""
    return [data_root(), *map(Path, filter(None, os.environ.get(ALLOWED, "").split(os.pathsep)))]


def require_inside(params: Params, folders: list[Path]) -> None:
    """Raise InputError where a parameter names a file or folder that lies, or links, outside of `folders`."""
    roots = [folder.resolve() for folder in folders]
    for flag, path in named_paths(params):
        try:
            outside = next((real for real in _real_places(path) if not any(map(real.is_relative_to, roots))), None)
        except (OSError, ValueError) as error:
            raise InputError(
                f"--{flag} {str(path)!r:.80} cannot be looked through ({error}), so it is not known whether all of it "
                "lies where a deployed run may read. Give a file or folder that can be read."
            ) from None
        if outside:
            raise InputError(
                f"--{flag} {path}: {outside} lies outside of {' and '.join(map(str, folders))}. A deployed run stays "
                "in the data folder, so that nothing of this machine is read or written by mistake. Give what lies "
                f"there, or let the deployment allow its folder: {ALLOWED} in job_variables.env of prefect.yaml."
            )


def named_paths(params: Params, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Flags and the paths that parameters name: also sources, models and encoders given as text.

    Of defaults those that come with the code are left out, and text, which is a name.
    """
    for name, value in params:
        flag = f"{prefix}{name.replace('_', '-')}"
        field = type(params).model_fields[name]
        is_default = value == field.get_default(call_default_factory=True)
        if isinstance(value, Params):
            yield from named_paths(value, f"{flag}.")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Path) and not (is_default and one.is_relative_to(CODE)):
                yield flag, _expanded(one)
            is_text = isinstance(one, str) and not is_default and _takes_any_text(field.annotation)
            if is_text and (path := _path_of(one)):
                yield flag, path


def _takes_any_text(annotation: Any) -> bool:
    """Whether a field takes more than the few words of a Literal."""
    return annotation is str or any(map(_takes_any_text, get_args(annotation)))


def _path_of(text: str) -> Path | None:
    """Where text that can also be a hub's name, or a source of pairs, is read as a path: that."""
    kind, colon, rest = text.partition(":")
    if text in NAMES:
        return None
    if colon and kind == "file":
        return _expanded(rest)
    path = _expanded(rest.partition(":")[0] if colon and kind == "hf" else text)
    return path if path.is_absolute() or ".." in path.parts or os.path.exists(path) else None


def _expanded(path: str | Path) -> Path:
    """With the home of a ~; as it is where nobody is called so."""
    return Path(os.path.expanduser(path))


def _real_places(path: Path) -> Iterator[Path]:
    """Where a path leads, and where the links below it do; a link's place is told before it is followed."""
    for found in everything(path):
        if found is path or found.is_symlink():
            yield Path(os.path.realpath(found))
