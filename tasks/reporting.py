"""What a running task shows: progress, tables and text in Prefect's UI and log.

What is shown is not the work: where the server is gone, that is said in the log and the work goes on.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from tasks.artifact import data_root

Progress = Callable[[float], None]
SECONDS_BETWEEN_UPDATES = 2.0
SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Give a function to call with the share done, 0 to 1: a progress artifact and a log line now and then.

    Outside a task run it does nothing.
    """
    if TaskRunContext.get() is None:
        yield lambda share: None
        return
    log = get_run_logger()
    artifact = _shown(lambda: create_progress_artifact(progress=0.0, description=what))
    updated = printed = time.monotonic()

    def update(share: float) -> None:
        nonlocal artifact
        if known := artifact:
            artifact = _shown(lambda: update_progress_artifact(known, progress=100.0 * share))  # None: not again

    def show(share: float) -> None:
        nonlocal updated, printed
        now = time.monotonic()
        if now - updated >= SECONDS_BETWEEN_UPDATES:
            update(share)
            updated = time.monotonic()
        if now - printed >= SECONDS_BETWEEN_LINES:
            log.info("%s: %.0f %%", what, 100.0 * share)
            printed = now

    yield show
    update(1.0)


def show_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """A table artifact. key: lower-case letters, digits and dashes. Outside a task run it does nothing."""
    if TaskRunContext.get() is not None:
        table = [dict(row) for row in rows]
        _shown(lambda: create_table_artifact(key=key, table=table, description=description))


def show_markdown(key: str, text: str, description: str) -> None:
    """A markdown artifact. Outside a task run it does nothing."""
    if TaskRunContext.get() is not None:
        _shown(lambda: create_markdown_artifact(key=key, markdown=text, description=description))


def show_files(files: Mapping[str, Path], base: str | None) -> None:
    """What a flow run published: links to a server of the data folder at `base`, or else paths. Pages apart too.

    Outside a flow run it does nothing.
    """
    if FlowRunContext.get() is None:
        return
    served = {name: _url(path, base) for name, path in files.items()}
    rows = [f"| {name} | {f'[{path}]({served[name]})' if served[name] else path} |" for name, path in files.items()]
    table = "\n".join(["| what | where |", "|---|---|", *rows])
    _shown(lambda: create_markdown_artifact(key="results", markdown=table, description="What the run published"))
    for name, url in served.items():
        if url and name.endswith(".html"):
            key = name.removesuffix(".html").replace("_", "-")
            _shown(partial(create_link_artifact, link=url, link_text=name, key=key))


def _url(path: Path, base: str | None) -> str | None:
    inside = path.absolute().is_relative_to(data_root())
    return f"{base}/{quote(str(path.absolute().relative_to(data_root())))}" if base and inside else None


def log_line(text: str, *values: object) -> None:
    """One line in the task run's log. Outside a task run it does nothing."""
    if TaskRunContext.get() is not None:
        get_run_logger().info(text, *values)


def _shown(show: Callable[[], Any]) -> UUID | None:
    """What Prefect's server knows an artifact by; None, and a line in the log, where it does not answer."""
    try:
        return cast(UUID, show())
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("not shown in the UI: its server does not answer (%s)", type(error).__name__)
        return None
