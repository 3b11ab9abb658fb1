"""What holds for every flow from parameters to published files, however it was started.

A run that a deployment started is read and repeated by others than who typed its parameters. So it reads and writes
inside the data folder only, unless the deployment's environment allows other folders; the command line takes the user's
own paths. That keeps mistakes in, not enemies out: who may start runs on a process worker may run any command on it.
"""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prefect import Flow, flow
from prefect.runtime import deployment

from tasks.artifact import data_root
from tasks.errors import InputError
from tasks.params import Params
from tasks.reporting import show_files

ALLOWED = "KATFLOW_ALLOWED_PATHS"
"""Folders besides the data folder, separated as in PATH: a deployment's job_variables.env sets it."""

Published = dict[str, Path]


def deployable(name: str, run_name: str) -> Callable[[Callable[..., Published]], Flow[..., Published]]:
    """A Prefect flow of one argument, `params`, that returns what it published, by name.

    run_name: a template over `params`.
    """

    def decorate(function: Callable[..., Published]) -> Flow[..., Published]:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Published:
            for params in (*args, *kwargs.values()):
                require_allowed(params)
            published = function(*args, **kwargs)
            show_files(published, os.environ.get("KATFLOW_FILES_URL"))
            return published

        return flow(name=name, flow_run_name=run_name)(guarded)

    return decorate


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
        links = [link for link in path.rglob("*") if link.is_symlink()] if path.is_dir() else []
        for found in (path, *links):
            if not any(found.resolve().is_relative_to(root) for root in roots):
                raise InputError(
                    f"--{flag} {path}: {found.resolve()} lies outside of {' and '.join(map(str, folders))}. A deployed "
                    "run stays in the data folder, so that nothing of this machine is read or written by mistake. Copy "
                    f"it there, or let the deployment allow its folder: {ALLOWED} in job_variables.env of prefect.yaml."
                )


def named_paths(params: Params, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Flags and paths that parameters name besides defaults: also sources, models and encoders given as text."""
    for name, value in params:
        flag = f"{prefix}{name.replace('_', '-')}"
        if value == type(params).model_fields[name].get_default(call_default_factory=True):
            continue
        if isinstance(value, Params):
            yield from named_paths(value, f"{flag}.")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Path):
                yield flag, one.expanduser()
            elif isinstance(one, str) and (path := _path_of(one)):
                yield flag, path


def _path_of(text: str) -> Path | None:
    """Where text that can also be a hub's name, or a source of pairs, is read as a path: that."""
    kind, colon, rest = text.partition(":")
    if colon and kind == "file":
        return Path(rest).expanduser()
    path = Path(rest.partition(":")[0] if colon and kind == "hf" else text).expanduser()
    return path if path.is_absolute() or ".." in path.parts or path.exists() else None
