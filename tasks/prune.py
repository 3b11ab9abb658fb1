"""What of data/ can go: artifacts that no result derives from and that nobody used for long, and what kills left.

A result is what lies in data/out, or what runs have published elsewhere. It derives from the artifact that is noted of
it, or else from those of its content; an artifact derives from those whose fingerprints, or whose parts', stand among
the inputs in its manifest. What is not as a task leaves it stays, and so do data/in and data/out.
"""

import contextlib
import json
import math
import os
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifact import (
    MANIFEST,
    PUBLISHED,
    Artifact,
    data_root,
    fingerprint,
    fingerprints,
    published,
    remove,
    result_folders,
)
from tasks.errors import ArtifactError
from tasks.locks import held_if_free

NO_STAGES = {"in", "out"}
ASIDE = re.compile(r"\.(?:(\w+)\.)?[0-9a-f]{8,32}\.tmp")


@dataclass(frozen=True)
class Item:
    """A folder in data/<stage>/: a finished artifact, or what a kill left of one."""

    folder: Path
    stage: Path
    key: str
    names: frozenset[str] = frozenset()
    """By which results and others know an artifact: <stage>/<key>, its fingerprint and its parts'."""
    inputs: frozenset[str] = frozenset()
    is_shared: bool = False
    """Whether something lies beside an artifact's content and manifest."""


@dataclass
class Use:
    """Of disk, by folders of one kind, and what of it goes with those that can go."""

    folders: int = 0
    bytes: int = 0
    going: int = 0
    freed: int = 0


def artifacts() -> list[Item]:
    """Every finished artifact in data/, whole or damaged."""
    found = (_artifact(path.parent) for stage in _stages() for path in stage.glob(f"[!.]*/{MANIFEST}"))
    return [item for item in found if item]


def unneeded(every: list[Item], since: float) -> list[Item]:
    """Those that no result derives from, and that nobody makes now or has used since.

    Raises ArtifactError where a note of published results is damaged.
    """
    elsewhere = (name for folder in result_folders().values() for name in _sources(folder))
    needed = lineage({*elsewhere, *_sources(data_root() / "out", deep=True)}, every)
    return [item for item in every if item not in needed and not item.is_shared and _is_idle(item, since)]


def lineage(names: Iterable[str], among: Iterable[Item]) -> set[Item]:
    """The artifacts of these names, and all that they derive from."""
    known = defaultdict(set)
    for item in among:
        for name in item.names:
            known[name].add(item)
    needed: set[Item] = set()
    waiting = [item for name in names for item in known[name]]
    while waiting:
        item = waiting.pop()
        if item not in needed:
            needed.add(item)
            waiting += (source for name in item.inputs for source in known[name])
    return needed


def left_by_kills(since: float) -> list[Item]:
    """Work folders, and folders set aside, that nobody has written to since."""
    found = []
    for stage in _stages():
        found += [Item(folder, stage, folder.name) for folder in stage.glob(".work/*")]
        named = [(folder, ASIDE.fullmatch(folder.name)) for folder in stage.glob(".*.tmp")]
        found += [Item(folder, stage, match[1] or folder.name) for folder, match in named if match]
    plain = (item for item in found if item.folder.is_dir() and not item.folder.is_symlink())
    return [item for item in plain if _is_idle(item, since)]


def disk_use(kinds: Iterable[tuple[str, Item]], going: Iterable[Item], rest: Iterable[Path] = ()) -> dict[str, Use]:
    """By kind, and of what else lies in the folders of `rest` by their names, files among them under "files".

    A file of several names counts once, where it is met first, and is freed only if all of them go.
    """
    to_go = set(going)
    uses: dict[str, Use] = defaultdict(Use)
    files: dict[tuple[int, int], tuple[str, os.stat_result]] = {}
    names_to_go: Counter[tuple[int, int]] = Counter()

    def count(kind: str, folder: Path, goes: bool) -> None:
        for path in _files(folder):
            with contextlib.suppress(FileNotFoundError):  # runs go on meanwhile
                stat = path.lstat()
                files.setdefault((stat.st_dev, stat.st_ino), (kind, stat))
                names_to_go[stat.st_dev, stat.st_ino] += goes

    for kind, item in kinds:
        uses[kind].folders += 1
        uses[kind].going += item in to_go
        count(kind, item.folder, item in to_go)
    for path in rest:
        kind = path.name if path.is_dir() else "files"
        uses[kind].folders += path.is_dir() and not uses[kind].folders
        count(kind, path, False)
    for inode, (kind, stat) in files.items():
        uses[kind].bytes += stat.st_size
        uses[kind].freed += stat.st_size * (names_to_go[inode] == stat.st_nlink)
    return dict(uses)


def prune(item: Item, since: float) -> bool:
    """Remove it: its record, its name, its content, so that a kill leaves what `left_by_kills` finds.

    False where somebody uses it after all.
    """
    with _idle(item, since) as idle:
        if not idle:
            return False
        if item.names:
            (data_root() / ".results" / item.key).unlink(missing_ok=True)
        aside = item.folder.rename(item.stage / f".{item.key}.{uuid.uuid4().hex[:8]}.tmp")
        for path in sorted(aside.iterdir(), key=lambda path: path.name == MANIFEST):  # last, for it tells the age
            remove(path)
        aside.rmdir()
    return True


def top_folders() -> list[Path]:
    """All that lies in data/ itself: folders of stages and others, and files."""
    return sorted(data_root().glob("*"))


def drop_locks() -> int:
    """Remove lock files of keys that have neither an artifact nor the beginning of one; how many those were.

    Not those that somebody holds; who waits for one makes it anew (`tasks.locks`).
    """
    dropped = 0
    for path in (path for stage in _stages() for path in stage.glob(".locks/*") if path.name.isalnum()):
        with contextlib.suppress(OSError), held_if_free(path) as is_free:
            if is_free and not path.stat().st_size and not _has_any(path.parents[1], path.name):
                path.unlink()
                dropped += 1
    return dropped


def _has_any(stage: Path, key: str) -> bool:
    """Whether a stage holds something of a key, whole or not."""
    return any(os.path.lexists(stage / name) for name in (key, f".work/{key}")) or any(stage.glob(f".{key}.*"))


def _files(path: Path) -> Iterator[Path]:
    """Those below a folder, links not followed; the file itself, if it is one."""
    if not path.is_dir():
        yield path
    for parent, _, names in os.walk(path):
        yield from (Path(parent, name) for name in names)


def _stages() -> list[Path]:
    return [path for path in sorted(data_root().glob("[!.]*")) if path.is_dir() and path.name not in NO_STAGES]


def _artifact(folder: Path) -> Item | None:
    """None where a folder is no task's."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        content = Artifact(path=folder / manifest["name"], fingerprint=manifest["fingerprint"])
        if folder.is_symlink() or folder.parts[-2:] != (manifest["stage"], manifest["key"]):
            return None
        known = "parts" in manifest or not content.path.is_dir()
        parts = manifest.get("parts", {}) if known else fingerprints(content.path)[1]
        names = frozenset({f"{manifest['stage']}/{manifest['key']}", content.fingerprint, *parts.values()})
        others = {path.name for path in folder.iterdir()} - {content.path.name, MANIFEST}
        inputs = frozenset(_strings(list(manifest["inputs"].values())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArtifactError):
        return None
    return Item(folder, folder.parent, folder.name, names, inputs, bool(others))


def _strings(value: Any) -> Iterator[str]:
    """Those in nested lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _sources(folder: Path, deep: bool = False) -> Iterator[str]:
    """By what the artifacts of results in a folder are known: as noted, else by content.

    deep: also of what no run has noted, and in folders below.
    """
    notes = published(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        note = notes.get(path.name)
        if note and note.artifact:
            yield note.artifact
        elif path.is_symlink():
            continue
        elif deep and any(path.rglob(PUBLISHED)):
            yield from _sources(path, deep)
        elif note or deep:
            for one in (path, *path.rglob("*")):
                with contextlib.suppress(ArtifactError, FileNotFoundError):
                    yield fingerprint(one)


def _is_idle(item: Item, since: float) -> bool:
    with _idle(item, since) as idle:
        return idle


@contextlib.contextmanager
def _idle(item: Item, since: float) -> Iterator[bool]:
    """Whether nobody makes it now or has used it since; within the block nobody else makes it."""
    with contextlib.ExitStack() as stack:
        try:
            is_free = stack.enter_context(held_if_free(item.stage / ".locks" / item.key))
        except OSError as error:
            is_free = isinstance(error, FileNotFoundError)
        yield is_free and _last_used(item.folder) <= since


def _last_used(folder: Path) -> float:
    """When an artifact's manifest was touched; when another folder, or what is in it, last changed."""
    manifest = folder / MANIFEST
    try:
        every = [manifest] if manifest.is_file() else [folder, *folder.rglob("*")]
        return max(path.lstat().st_mtime for path in every)
    except FileNotFoundError:
        return math.inf
