"""The command line of every flow: flags from its parameters, one message for what a user can mend."""

import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from httpx import TransportError
from prefect.runtime import flow_run
from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliSettingsSource, SettingsError

from tasks.artifact import PUBLISHED, Artifact, link_or_copy, publish, published, require_writable
from tasks.caching import refreshing
from tasks.errors import KatflowError
from tasks.params import Params

Given = TypeVar("Given", bound=Params)
NO_SPACE = os.strerror(errno.ENOSPC)


def run(flow: Callable[..., dict[str, Path]], params: type[Params], argv: Sequence[str] | None = None) -> NoReturn:
    """Run a flow on flags, print where each result lies, and exit: 0 done, 1 failed, 2 bad flags."""
    checked = parse(params, sys.argv[1:] if argv is None else argv, program=f"python -m flows.{_name(flow)}")
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _interrupt)
    for console in logging.getLogger().handlers:
        console.addFilter(_is_news)
    try:
        made = flow(checked)
    except Exception as error:
        if not _is_users(error):
            raise
        sys.exit(f"error: {_message(error)}")
    except KeyboardInterrupt:
        sys.exit("interrupted: finished stages are kept, and the same command goes on from there")
    finally:
        logging.getLogger("prefect").setLevel(logging.WARNING)  # what is printed here are the last lines
    if older := _from_earlier_runs(made):
        print(f"from an earlier run: {', '.join(older)}")
    for what, path in made.items():
        print(f"{what:22} {os.path.relpath(path) if path.is_relative_to(Path.cwd()) else path}")
    sys.exit(0)


def publish_until(
    last: str, out: Path, stages: Iterable[tuple[str, dict[str, Artifact]]], refreshed: Collection[str] = ()
) -> dict[str, Path]:
    """Run stages up to the last one wanted; publish what each made under its name in `out`.

    refreshed: folders of tasks/ whose artifacts are made again.
    """
    require_writable(out)
    results: dict[str, Path] = {}
    with refreshing(refreshed):
        for stage, made in stages:
            results |= {name: publish(artifact, out / name) for name, artifact in made.items()}
            if stage == last:
                break
    return results


def publish_contents(folder: Artifact, out: Path) -> dict[str, Path]:
    """Publish what lies in a large folder artifact under its own names in `out`, by links where that can be.

    manifest.json comes last: what it names is there.
    """
    names = sorted((path.name for path in folder.path.iterdir()), key=lambda name: (name == "manifest.json", name))
    return {name: publish(folder.part(name), out / name, link_or_copy) for name in names}


def seed_of_run(seed: int | None) -> int:
    """The seed given, or one from the flow run's id: a retry makes the same data, the next run new ones."""
    return UUID(flow_run.id).int % 2**63 if seed is None else seed


def parse(params: type[Given], argv: Sequence[str], program: str) -> Given:
    """Flags to checked parameters. Exits with 2 and a message where a flag or value is wrong."""
    flags = type("Flags", (BaseSettings, params), {"__doc__": params.__doc__})
    try:
        given = CliSettingsSource(
            flags,
            cli_parse_args=[re.sub(r"^--(?=\w($|=))", "-", word) for word in argv],  # pydantic: --k is -k
            cli_prog_name=program,
            cli_kebab_case=True,
            cli_implicit_flags=True,
            cli_avoid_json=True,
            cli_hide_none_type=True,
            cli_exit_on_error=False,
            case_sensitive=True,
        )()
        return params.model_validate(given)
    except SettingsError as error:
        print(f"error: {str(error).removeprefix('error parsing CLI: ')}. See {program} --help.", file=sys.stderr)
    except ValidationError as error:
        for fault in error.errors():
            flag = ".".join(str(part).replace("_", "-") for part in fault["loc"] if isinstance(part, str))
            value = "" if isinstance(fault["input"], dict) else f" {_short(fault['input'])}"
            where = f"--{flag}{value}: " if flag else ""
            what = fault["msg"].removeprefix("Value error, ").rstrip(".")
            print(f"error: {where}{what}. See {program} --help.", file=sys.stderr)
    sys.exit(2)


def _interrupt(*_: Any) -> NoReturn:
    """Python's own handler would be replaced by event loops in the main thread, which wait for what they run."""
    raise KeyboardInterrupt


def _from_earlier_runs(made: dict[str, Path]) -> list[str]:
    """Results of other runs that lie beside this one's, or in a folder that it filled (arms of an experiment)."""
    folders = {path.parent for path in made.values()}
    found = []
    for top in (folder for folder in folders if not folders & set(folder.parents)):
        filled = {path.relative_to(top).parts[0] for path in made.values() if path.is_relative_to(top)}
        deeper = (note.parent for name in filled for note in (top / name).rglob(PUBLISHED))
        lying = {folder / name for folder in (top, *deeper) for name in published(folder)}
        found += [str(path.relative_to(top)) for path in lying - set(made.values())]
    return sorted(found)


def _name(flow: Any) -> str:
    return flow.fn.__module__.rsplit(".", 1)[-1] if flow.fn.__module__ != "__main__" else Path(sys.argv[0]).stem


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_users(error: BaseException) -> bool:
    """Whether a user can mend it: an error of ours, of files, of a full disk, or of a server that is gone."""
    return isinstance(error, KatflowError | OSError) or NO_SPACE in str(error) or _is_servers(error)


def _is_servers(error: BaseException) -> bool:
    return isinstance(error, TransportError) or str(error).startswith("Failed to reach API")


def _message(error: Exception) -> str:
    if isinstance(error, KatflowError):
        return str(error)
    if _is_servers(error):
        return (
            f"Prefect's server cannot be reached ({str(error) or type(error).__name__}). Finished stages are kept: "
            "start the server, or unset PREFECT_API_URL to do without, and run the same command again."
        )
    what = f"{error.strerror} at {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
    return f"{what}. Nothing half-written is taken for whole; mend it and run the same command again."


def _is_news(record: logging.LogRecord) -> bool:
    """False for what `run` tells at the end, once: that a task failed or was stopped, that its flow was, and why.

    And for Prefect's count of the events that it still sends, which would stand below the last line.
    """
    if record.exc_info and record.exc_info[1] and _is_users(record.exc_info[1]):
        return False
    told = ("Finished in state Failed(", "Crash detected!", "Still processing items")
    return not record.getMessage().startswith(told)
