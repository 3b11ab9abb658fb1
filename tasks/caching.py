"""Tasks whose results are found again: by source, inputs and parameters, verified on every hit.

Prefect's own policies know the wrapper's lines only and serve stale results when a helper changes
(Prefect #16925, #23062), and take a deleted or damaged output for a hit. Here the key covers the
syntax tree of every first-party module that the task reaches, the other files of those stages (the
map's page), `lambda_gen_rs.SOURCE_HASH` where Rust is reached, the content of input artifacts, and
the parameters. Before Prefect looks a key up, its record is checked against the artifact's content;
an unsound record is dropped, so that this one result is made again.
"""

import ast
import contextlib
import contextvars
import functools
import hashlib
import importlib
import inspect
import json
import threading
import time
import typing
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, ParamSpec

from prefect import Task, task
from prefect.context import FlowRunContext, TaskRunContext
from prefect.serializers import Serializer

from tasks.artifact import Artifact, data_root, finished_artifact, making
from tasks.errors import KatflowError
from tasks.params import Params

P = ParamSpec("P")
FIRST_PARTY = ("tasks", "flows")
RUST = "lambda_gen_rs"
PLAIN = (str, int, float, bool, type(None))

_parsing = threading.Lock()
"""In Python 3.11 `ast.parse` fails now and then where two threads are in it (python/cpython#106905)."""
TRIES = 20
"""For what the lock does not know: in 4 of 1,000 runs of the soak a thread of Prefect's was in it."""


class ArtifactSerializer(Serializer):
    """Prefect's records as plain JSON that can only become an Artifact, or the error that came instead."""

    type: Literal["katflow-artifact"] = "katflow-artifact"

    def dumps(self, obj: Artifact | KatflowError) -> bytes:
        if isinstance(obj, KatflowError):
            return json.dumps({"error": type(obj).__name__, "message": str(obj)}).encode()
        return obj.model_dump_json().encode()

    def loads(self, blob: bytes) -> Artifact | KatflowError:
        record = json.loads(blob)
        if "error" in record:
            kinds = {kind.__name__: kind for kind in KatflowError.__subclasses__()}
            return kinds.get(record["error"], KatflowError)(record["message"])
        return Artifact.model_validate(record)


def cached_task(run_name: str, **options: Any) -> Callable[[Callable[P, Artifact]], Task[P, Artifact]]:
    """A Prefect task that makes one artifact, and is skipped where that artifact is already there.

    run_name: a template over the arguments, such as "weigh by density, k={params.k}".
    Raises TypeError at decoration where an argument could not be part of a key.
    """

    def decorate(function: Callable[P, Artifact]) -> Task[P, Artifact]:
        _check_annotations(function)
        stage = function.__module__.split(".")[1]

        @functools.wraps(function)
        def keyed(*args: P.args, **kwargs: P.kwargs) -> Artifact:
            given = inspect.signature(function).bind(*args, **kwargs).arguments
            key, since = cache_key(function, given), made_since(stage)
            if found := finished_artifact(stage, key, since):
                return found
            params = {name: identity(value) for name, value in given.items() if not _holds_artifact(value)}
            inputs = {name: identity(value) for name, value in given.items() if _holds_artifact(value)}
            reads = _artifacts(given.values())
            with making(stage, key, params, inputs, source_hash(function.__module__), reads, since):
                return finished_artifact(stage, key, since) or function(*args, **kwargs)

        def sound_key(_: TaskRunContext, given: dict[str, Any]) -> str:
            key = cache_key(function, given)
            _drop_unsound_record(stage, key)
            return key

        return task(
            task_run_name=run_name,
            cache_key_fn=sound_key,
            persist_result=True,
            result_storage=Path("data/.results"),
            result_serializer=ArtifactSerializer(),
            cache_result_in_memory=False,
            **options,
        )(keyed)

    return decorate


Refreshed = tuple[Collection[str], float]
_refreshed: contextvars.ContextVar[Refreshed] = contextvars.ContextVar("refreshed", default=((), 0.0))


@contextmanager
def refreshing(stages: Collection[str]) -> Iterator[None]:
    """Within it, in a flow, what these stages made before the flow run began is made again, once.

    A run that goes on after a crash has begun when it first did. The old artifact stays until the new one is whole,
    and for good where that has the same content.
    """
    run = FlowRunContext.get()
    begun = run.flow_run.start_time if run and run.flow_run else None
    token = _refreshed.set((stages, min(begun.timestamp(), time.time()) if begun else time.time()))
    try:
        yield
    finally:
        _refreshed.reset(token)


def made_since(stage: str) -> float:
    """When a stage's artifact must have been made to count in this run, in seconds since the epoch; 0 for any time."""
    stages, since = _refreshed.get()
    return since if stage in stages else 0.0


def cache_key(function: Callable[..., Any], given: dict[str, Any]) -> str:
    """The name under which a task's result is found again: 40 hexadecimal digits."""
    whole = {
        "task": f"{function.__module__}.{function.__qualname__}",
        "source": source_hash(function.__module__),
        "given": {name: identity(value) for name, value in sorted(given.items())},
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:40]


def identity(value: Any) -> Any:
    """What of an argument decides the result, as JSON. Raises TypeError where that is not known."""
    if isinstance(value, Artifact):
        return value.fingerprint
    if isinstance(value, Params):
        return value.identity()
    if isinstance(value, list | tuple):
        return [identity(item) for item in value]
    if isinstance(value, PLAIN):
        return value
    raise TypeError(f"{type(value).__name__} has no identity, so a result made from it could not be found again.")


@functools.cache
def source_hash(module: str) -> str:
    """SHA-256 over every first-party module that `module` reaches by imports, comments and docstrings aside."""
    with _parsing:
        return _source_hash(_reached(module))


def _source_hash(reached: frozenset[str]) -> str:
    total = hashlib.sha256()
    for name in sorted(reached):
        path = _source_path(name)
        if path is not None:
            total.update(f"{name}\0{_source(path).normalised}\n".encode())
    for folder in sorted({path.parent for name in reached if (path := _source_path(name)) and name.count(".") > 1}):
        others = (path for path in folder.rglob("*") if "__pycache__" not in path.parts and path.suffix != ".py")
        for file in sorted(path for path in others if path.is_file()):
            total.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    if RUST in reached:
        total.update(importlib.import_module(RUST).SOURCE_HASH.encode())
    return total.hexdigest()


def _reached(module: str) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if (path := _source_path(name)) is not None:
            waiting += _source(path).imported
    return frozenset(seen)


class _Source(NamedTuple):
    imported: list[str]
    """First-party modules and the Rust extension, wherever in the file they are imported."""
    normalised: str


@functools.cache
def _source(path: Path) -> _Source:
    """Read once: most files are reached by many tasks."""
    tree = _parsed(path.read_text())
    return _Source(_imported(tree), _normalised(tree))


def _parsed(text: str) -> ast.Module:
    """In Python 3.11 parsing fails now and then while another thread, such as Prefect's, parses too."""
    for _ in range(TRIES):
        with contextlib.suppress(SystemError):
            return ast.parse(text)
        time.sleep(0.01)
    return ast.parse(text)


def _imported(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [
        RUST if name.startswith(RUST) else name
        for name in found
        if name.startswith(RUST) or (name.split(".")[0] in FIRST_PARTY and _source_path(name))
    ]


@functools.cache
def _source_path(module: str) -> Path | None:
    """A first-party module's file, found without importing the packages above it: torch alone takes seconds."""
    top, *rest = module.split(".")
    for folder in importlib.import_module(top).__path__ if top in FIRST_PARTY else []:
        place = Path(folder).joinpath(*rest)
        for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if path.is_file():
                return path
    return None


def _normalised(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _check_annotations(function: Callable[..., Any]) -> None:
    hints = typing.get_type_hints(function)
    if hints.pop("return", None) is not Artifact:
        raise TypeError(f"{function.__qualname__} must return one Artifact: that is what a cached task makes.")
    for name in inspect.signature(function).parameters:
        if name not in hints or not _can_be_keyed(hints[name]):
            raise TypeError(
                f"{function.__qualname__}: argument {name!r} cannot be part of a cache key; annotate it as "
                "Artifact, Params, str, int, float, bool, None or a list or union of these."
            )


def _can_be_keyed(hint: Any) -> bool:
    if arguments := typing.get_args(hint):
        return all(_can_be_keyed(argument) for argument in arguments if argument is not ...)
    if not isinstance(hint, type):
        return isinstance(hint, PLAIN)
    return issubclass(hint, Artifact | Params) or hint in PLAIN


def _holds_artifact(value: Any) -> bool:
    return bool(_artifacts([value]))


def _artifacts(values: Iterable[Any]) -> list[Artifact]:
    found = (_artifacts(value) if isinstance(value, list | tuple) else [value] for value in values)
    return [one for several in found for one in several if isinstance(one, Artifact)]


def _drop_unsound_record(stage: str, key: str) -> None:
    record = data_root() / ".results" / key
    try:
        recorded = Artifact.model_validate_json(json.loads(record.read_text())["result"])
        sound = recorded == finished_artifact(stage, key, made_since(stage))
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        record.unlink(missing_ok=True)
