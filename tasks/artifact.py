"""The one type between tasks: a finished, immutable file or folder, named by its content.

An artifact is written into a temporary sibling and renamed when it is whole, so that what has the
final name is complete. Beside it lies a manifest.json: parameters, inputs, the hash of
the source, rows, bytes, hashes, seconds and versions. That is the lineage.

    data/<stage>/<key>/<name>            the artifact
    data/<stage>/<key>/manifest.json
    data/<stage>/.work/<key>/            a task's own work folder (trainer checkpoints), gone when it is done
"""

import contextvars
import fcntl
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_serializer, field_validator

from tasks.errors import ArtifactError, InputError

MANIFEST = "manifest.json"
PUBLISHED = ".published.json"


def data_root() -> Path:
    """The folder that all stages share: `data` in the current folder, which is the checkout's root."""
    return Path("data").absolute()


class Artifact(BaseModel):
    """A finished file or folder and the hash of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    fingerprint: str

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path if path.is_absolute() else data_root() / path

    @field_serializer("path")
    def _relative_to_data(self, path: Path) -> str:
        """Inside the data folder a path is relative, so that a moved checkout keeps its results."""
        return str(path.relative_to(data_root()) if path.is_relative_to(data_root()) else path)

    def is_whole(self) -> bool:
        """Whether the content is still what was sealed."""
        try:
            return fingerprint(self.path) == self.fingerprint
        except (OSError, ArtifactError):
            return False

    def part(self, name: str) -> "Artifact":
        """One file or folder of a folder artifact, as an artifact of its own."""
        return Artifact(path=self.path / name, fingerprint=fingerprint(self.path / name))

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest written beside it; empty for a file from outside."""
        path = self.path.parent / MANIFEST
        return json.loads(path.read_text()) if path.is_file() else {}


def fingerprint(path: Path, follow_links: bool = False) -> str:
    """SHA-256 of a file's bytes, or of a folder's sorted names and file hashes.

    Raises ArtifactError where a special file, or a link that is not followed, stands in place of content.
    """
    if (path.is_symlink() and not follow_links) or not (path.is_file() or path.is_dir()):
        raise ArtifactError(f"{path} is no plain file or folder, so its content cannot be vouched for.")
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for child in sorted(path.iterdir(), key=lambda p: p.name):
        total.update(f"{child.name}\0{fingerprint(child, follow_links)}\n".encode())
    return total.hexdigest()


def external(path: Path | str) -> Artifact:
    """A user's own file or folder as an artifact, links followed: a hub's cache is made of them.

    Raises InputError where it cannot be read.
    """
    path = Path(path).expanduser()
    try:
        return Artifact(path=path.absolute(), fingerprint=fingerprint(path.resolve(strict=True), follow_links=True))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist. Check the path; it is read from {Path.cwd()}.") from None
    except (OSError, ArtifactError) as error:
        raise InputError(f"{path} cannot be read ({error}). Give a plain file or folder that you may read.") from None


@dataclass
class _Making:
    """What the running task knows of the artifact that it makes."""

    stage: str
    key: str
    params: dict[str, Any]
    inputs: dict[str, Any]
    source: str
    started: float = field(default_factory=time.perf_counter)

    @property
    def folder(self) -> Path:
        return data_root() / self.stage / self.key


_making: contextvars.ContextVar[_Making] = contextvars.ContextVar("making")


@contextmanager
def making(stage: str, key: str, params: dict[str, Any], inputs: dict[str, Any], source: str = "") -> Iterator[None]:
    """Within it, `new_artifact` knows where its artifact belongs, and nobody else makes the same one.

    Another process that wants it waits here. The lock is the kernel's: it ends with the process, however that ends.
    """
    made = _Making(stage, key, params, inputs, source)
    locks = data_root() / stage / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / key).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_by_a_kill in made.folder.parent.glob(f".{key}.*.tmp"):
            _remove(left_by_a_kill)
        token = _making.set(made)
        try:
            yield
        finally:
            _making.reset(token)


def finished_artifact(stage: str, key: str) -> Artifact | None:
    """The whole artifact that an earlier run left under this key, if there is one."""
    folder = data_root() / stage / key
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        artifact = Artifact(path=folder / manifest["name"], fingerprint=manifest["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return artifact if artifact.is_whole() else None


def finished_artifacts(stage: str, name: str) -> Iterator[tuple[dict[str, Any], Artifact]]:
    """Every artifact of this name that runs left, with its manifest, by key. Their content is unchecked."""
    for path in sorted((data_root() / stage).glob(f"[!.]*/{MANIFEST}")):
        try:
            manifest = json.loads(path.read_text())
            if manifest["name"] == name:
                yield manifest, Artifact(path=path.with_name(name), fingerprint=manifest["fingerprint"])
        except (OSError, ValueError, KeyError, TypeError):
            continue


class NewArtifact:
    """A file or folder in the making; `sealed()` gives the finished artifact."""

    def __init__(self, folder: Path, name: str, made: _Making) -> None:
        self.path = folder / name
        self._folder = folder
        self._made = made
        self._sealed: Artifact | None = None
        self._rows: int | None = None
        self._figures: dict[str, int] = {}

    def holds(self, rows: int, **figures: int) -> None:
        """Write the number of rows, and what else is counted, into the manifest."""
        self._rows, self._figures = rows, figures

    def sealed(self) -> Artifact:
        if self._sealed is None:
            raise ArtifactError("An artifact is sealed when its `with new_artifact(...)` block has ended.")
        return self._sealed

    def _seal(self) -> None:
        digest = fingerprint(self.path)
        manifest = {
            "name": self.path.name,
            "fingerprint": digest,
            "stage": self._made.stage,
            "key": self._made.key,
            "params": self._made.params,
            "inputs": self._made.inputs,
            "source": self._made.source,
            "rows": self._rows,
            "figures": self._figures,
            "bytes": sum(p.stat().st_size for p in self.path.rglob("*") if p.is_file())
            if self.path.is_dir()
            else self.path.stat().st_size,
            "seconds": round(time.perf_counter() - self._made.started, 3),
            "versions": _versions(),
        }
        (self._folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
        for path in self._folder.rglob("*"):
            _flush(path)
        _move_into_place(self._folder, self._made)
        self._sealed = Artifact(path=self._made.folder / self.path.name, fingerprint=digest)


@contextmanager
def new_artifact(stage: str, name: str) -> Iterator[NewArtifact]:
    """Make `data/<stage>/<key>/<name>`: write to `.path`, a file or a folder; it appears whole or not at all."""
    made = _making.get(None) or _Making(stage, uuid.uuid4().hex, {}, {}, "")
    if made.stage != stage:
        raise ArtifactError(f"A task of stage {made.stage} cannot make an artifact of stage {stage}.")
    folder = made.folder.with_name(f".{made.key}.{uuid.uuid4().hex[:8]}.tmp")
    folder.mkdir(parents=True)
    try:
        artifact = NewArtifact(folder, name, made)
        yield artifact
        artifact._seal()
        shutil.rmtree(work_folder(stage), ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def work_folder(stage: str) -> Path:
    """A folder of the running task's own, which survives a kill and is removed when its artifact is sealed."""
    made = _making.get(None) or _Making(stage, "unkeyed", {}, {}, "")
    return data_root() / stage / ".work" / made.key


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """A second name for a large file where the file system can, else a copy.

    The file becomes read-only: written to under one name, it would change under both.
    """
    try:
        os.link(source, target)
        os.chmod(target, 0o444)
    except OSError:
        shutil.copyfile(source, target)


def publish(artifact: Artifact, target: Path, copy: Callable[..., object] = shutil.copyfile) -> Path:
    """Copy an artifact to a stable name; readers see the old content or the new, whole.

    copy: how a file is copied.
    Raises InputError where the target's folder cannot be written, or a folder would be replaced that holds files
    of somebody else.
    """
    if Artifact(path=target.absolute(), fingerprint=artifact.fingerprint).is_whole():
        return target
    _refuse_foreign_files(artifact, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
        old = fresh.with_suffix(".old")
        try:
            if artifact.path.is_dir():
                shutil.copytree(artifact.path, fresh, copy_function=copy)
            else:
                copy(artifact.path, fresh)
            if target.is_dir() and not target.is_symlink():
                target.rename(old)
            fresh.replace(target)
            _note_published(target)
        finally:
            _remove(fresh)
            if old.exists() and not target.exists():
                old.rename(target)
            _remove(old)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}). The results themselves are safe in "
            f"{artifact.path.parent}; make room there, or choose another place."
        ) from error
    return target


def require_writable(folder: Path) -> None:
    """Raise InputError where results could not be put into a folder: before the work, not after hours of it.

    The folder itself need not be there, and is not made.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}), so results would have no place. Make room there, or "
            "choose another --out."
        ) from error


def _refuse_foreign_files(artifact: Artifact, target: Path) -> None:
    """Raise InputError where a folder stands in a file's place, or holds files that no run put there."""
    if not target.is_dir() or target.is_symlink():
        return
    if artifact.path.is_file():
        raise InputError(f"{target} is a folder, and a file is to be written there. Choose another name for it.")
    known = _files_in(artifact.path) | set(_published(target.parent).get(target.name, []))
    if foreign := sorted(_files_in(target) - known):
        raise InputError(
            f"{target} holds {len(foreign)} files that no run put there, such as {foreign[0]}. Publishing replaces the "
            "folder, so they would be lost. Move them, or choose another --out."
        )


def _note_published(target: Path) -> None:
    """Remember in `.published.json`, beside a result, that it is a run's, and of a folder which files in it are."""
    noted = {**_published(target.parent), target.name: sorted(_files_in(target))}
    fresh = target.parent / f"{PUBLISHED}.{uuid.uuid4().hex[:8]}.tmp"
    fresh.write_text(json.dumps(noted, indent=1))
    fresh.replace(target.parent / PUBLISHED)


def published_names(folder: Path) -> set[str]:
    """What runs have published in a folder and still lies there."""
    return {name for name in _published(folder) if (folder / name).exists()}


def _published(folder: Path) -> dict[str, list[str]]:
    try:
        noted = json.loads((folder / PUBLISHED).read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _files_in(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir()}


def _move_into_place(folder: Path, made: _Making) -> None:
    """Rename a finished folder to its final name. Where a whole twin got there first, that one stays."""
    while True:
        try:
            folder.rename(made.folder)
            break
        except OSError:
            if finished_artifact(made.stage, made.key):
                return
            damaged = made.folder.with_name(f".{made.key}.{uuid.uuid4().hex[:8]}.tmp")
            try:
                made.folder.rename(damaged)
            except FileNotFoundError:
                continue
            _remove(damaged)
    _flush(made.folder.parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _versions() -> dict[str, str]:
    """Versions of the libraries that decide results, as installed."""
    names = (
        "katflow",
        "prefect",
        "torch",
        "transformers",
        "trl",
        "peft",
        "numpy",
        "polars",
        "faiss-cpu",
        "umap-learn",
    )
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
