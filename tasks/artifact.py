"""The one type between tasks: a finished, immutable file or folder, named by its content.

An artifact is written into a temporary sibling and renamed when it is whole, so that what has the
final name is complete. Beside it lies a manifest.json: parameters, inputs, the hash of
the source, rows, bytes, hashes, seconds and versions. That is the lineage.

    data/<stage>/<key>/<name>            the artifact
    data/<stage>/<key>/manifest.json
    data/<stage>/.work/<key>/            a task's own work folder (trainer checkpoints), gone when it is done

What somebody takes for use is touched: the manifest's time of change says since when nobody has (`tasks.prune`).
"""

import contextlib
import contextvars
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, field_serializer, field_validator

from tasks.errors import ArtifactError, InputError
from tasks.locks import held
from tasks.walk import everything

MANIFEST = "manifest.json"
PUBLISHED = ".published.json"
RESULT_FOLDERS = ".result-folders"
CACHES = {"hub", "tensorboard"}
"""Folders of data/, besides those of stages (the folders of tasks/) and dotted ones, that runs have for themselves."""


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

    def take(self) -> bool:
        """Note that it is used now, then say whether it is whole: in this order, for it may be pruned meanwhile."""
        with contextlib.suppress(OSError):
            os.utime(self.path.parent / MANIFEST)
        return self.is_whole()

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
    return fingerprints(path, follow_links)[0]


def fingerprints(path: Path, follow_links: bool = False) -> tuple[str, dict[str, str]]:
    """The fingerprint, and by name those of a folder's direct children, which can be inputs too. Raises as it does."""
    if (path.is_symlink() and not follow_links) or not (path.is_file() or path.is_dir()):
        raise ArtifactError(f"{path} is no plain file or folder, so its content cannot be vouched for.")
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), {}
    parts = {p.name: fingerprint(p, follow_links) for p in sorted(path.iterdir(), key=lambda p: p.name)}
    total = "".join(f"{name}\0{digest}\n" for name, digest in parts.items())
    return hashlib.sha256(total.encode()).hexdigest(), parts


def external(path: Path | str) -> Artifact:
    """A user's own file or folder as an artifact, links followed: a hub's cache is made of them.

    Raises InputError where it cannot be read.
    """
    path = Path(os.path.expanduser(path))  # not `Path.expanduser`, which raises where nobody is called so
    try:
        return Artifact(path=path.absolute(), fingerprint=_fingerprint_once(path.resolve(strict=True)))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist. Check the path; it is read from {Path.cwd()}.") from None
    except (OSError, ValueError, ArtifactError) as error:
        raise InputError(f"{path} cannot be read ({error}). Give a plain file or folder that you may read.") from None


_hashed: dict[Path, tuple[object, str]] = {}


def _fingerprint_once(path: Path) -> str:
    """`fingerprint` of a file or folder from outside; read again only where the file system says that it changed."""
    every = ((one, one.stat()) for one in everything(path))
    seen = [(one, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns) for one, of in every]
    if path not in _hashed or _hashed[path][0] != seen:
        _hashed[path] = seen, fingerprint(path, follow_links=True)
    return _hashed[path][1]


@dataclass
class _Making:
    """What the running task knows of the artifact that it makes."""

    stage: str
    key: str
    params: dict[str, Any]
    inputs: dict[str, Any]
    source: str
    reads: list[Artifact] = field(default_factory=list)
    since: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @property
    def folder(self) -> Path:
        return data_root() / self.stage / self.key


_making: contextvars.ContextVar[_Making] = contextvars.ContextVar("making")


@contextmanager
def making(
    stage: str,
    key: str,
    params: dict[str, Any],
    inputs: dict[str, Any],
    source: str = "",
    reads: Sequence[Artifact] = (),
    since: float = 0.0,
) -> Iterator[None]:
    """Within it, `new_artifact` knows where its artifact belongs, and nobody else makes the same one.

    reads: what it is made from. Where a user's file among them has changed meanwhile, nothing is made.
    since: an artifact made before is replaced by the new one, in seconds since the epoch.
    Another process that wants it waits here. The lock is the kernel's: it ends with the process, however that ends.
    """
    made = _Making(stage, key, params, inputs, source, list(reads), since)
    locks = data_root() / stage / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with held(locks / key):
        for left_by_a_kill in made.folder.parent.glob(f".{key}.*.tmp"):
            remove(left_by_a_kill)
        token = _making.set(made)
        try:
            yield
        finally:
            _making.reset(token)


def finished_artifact(stage: str, key: str, since: float = 0.0) -> Artifact | None:
    """The whole artifact that was left under this key, if there is one, and made since then; it is noted as used."""
    folder = data_root() / stage / key
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        artifact = Artifact(path=folder / manifest["name"], fingerprint=manifest["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return artifact if manifest.get("made", 0.0) >= since and artifact.take() else None


def finished_artifacts(stage: str, name: str) -> list[tuple[dict[str, Any], Artifact]]:
    """Every artifact of this name that runs left, with its manifest, the latest made first; their content unchecked."""
    found = []
    for path in sorted((data_root() / stage).glob(f"[!.]*/{MANIFEST}")):
        try:
            manifest = json.loads(path.read_text())
            if manifest["name"] == name:
                found.append((manifest, Artifact(path=path.with_name(name), fingerprint=manifest["fingerprint"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda one: -one[0].get("made", 0.0))


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
        for given in self._made.reads:
            _require_unchanged(given)
        digest, parts = fingerprints(self.path)
        manifest = {
            "name": self.path.name,
            "fingerprint": digest,
            "parts": parts,
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
            "made": time.time(),
            "seconds": round(time.perf_counter() - self._made.started, 3),
            "versions": _versions(),
        }
        (self._folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
        for path in self._folder.rglob("*"):
            _flush(path)
        finished = Artifact(path=self._made.folder / self.path.name, fingerprint=digest)
        self._sealed = _move_into_place(self._folder, finished, self._made)


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


def _require_unchanged(given: Artifact) -> None:
    """Raise InputError where a user's file or folder is no longer what a task was to read; our own never change."""
    if _place(given) is None and external(given.path).fingerprint != given.fingerprint:
        raise InputError(
            f"{given.path} changed while it was read, so what was made of it is of neither state and was thrown away. "
            "Run the same command again when nothing writes there."
        )


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
    try:
        if not Artifact(path=target.absolute(), fingerprint=artifact.fingerprint).is_whole():
            _refuse_foreign_files(artifact, target)
            _replace(target, artifact.path, copy)
        _note_published(artifact, target)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}). The results themselves are safe in "
            f"{artifact.path.parent}; make room there, or choose another place."
        ) from error
    return target


def require_writable(folder: Path) -> None:
    """Raise InputError where results could not be put into a folder: before the work, not after hours of it.

    The folder itself need not be there, and is not made. In data/, folders of stages and of records take none.
    """
    if kept := _kept_apart(folder):
        raise InputError(
            f"{folder} lies in {kept}, where runs keep what they find again: published files would be mixed with that. "
            f"Choose another --out, such as {data_root() / 'out' / 'mine'}."
        )
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}), so results would have no place. Make room there, or "
            "choose another --out."
        ) from error


def require_no_input(target: Path, *inputs: Path) -> None:
    """Raise InputError where a result would replace what it is made from, or lie in it."""
    for given in inputs:
        if target.resolve().is_relative_to(given.resolve()):
            raise InputError(
                f"{target} is, or lies in, {given}, an input, which it would change. Choose another place."
            )


def _kept_apart(folder: Path) -> Path | None:
    """The folder of data/ for runs' own use in which it lies, by its name or where links lead; None elsewhere."""
    for place, top in ((os.path.abspath(folder), data_root()), (os.path.realpath(folder), data_root().resolve())):
        below = Path(place).relative_to(top).parts if Path(place).is_relative_to(top) else ()
        for name in below[:1]:
            if name.startswith(".") or name in CACHES or Path(__file__).with_name(name).is_dir():
                return data_root() / name
    return None


def _replace(target: Path, source: Path, copy: Callable[..., object]) -> None:
    """Put a copy in the target's place in one step; the old content comes back where that fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    old = fresh.with_suffix(".old")
    try:
        if source.is_dir():
            shutil.copytree(source, fresh, copy_function=copy)
        else:
            copy(source, fresh)
        if target.is_dir() and not target.is_symlink():
            target.rename(old)
        fresh.replace(target)
    finally:
        remove(fresh)
        if old.exists() and not target.exists():
            old.rename(target)
        remove(old)


def _refuse_foreign_files(artifact: Artifact, target: Path) -> None:
    """Raise InputError where a folder stands in a file's place, or holds files that no run put there."""
    if not target.is_dir() or target.is_symlink():
        return
    if artifact.path.is_file():
        raise InputError(f"{target} is a folder, and a file is to be written there. Choose another name for it.")
    noted = published(target.parent).get(target.name)
    known = _files_in(artifact.path) | set(noted.files if noted else [])
    if foreign := sorted(_files_in(target) - known):
        raise InputError(
            f"{target} holds {len(foreign)} files that no run put there, such as {foreign[0]}. Publishing replaces the "
            "folder, so they would be lost. Move them, or choose another --out."
        )


class Published(NamedTuple):
    """What is noted of a published result."""

    artifact: str | None
    """Of which it is, or is a part: <stage>/<key>. None for a file from outside, and in older notes."""
    files: list[str]
    """Those in it, if it is a folder."""


def published(folder: Path) -> dict[str, Published]:
    """What runs have published in a folder and still lies there, by name. Raises ArtifactError for a damaged note."""
    try:
        noted = json.loads((folder / PUBLISHED).read_text())
        notes = {name: of if isinstance(of, dict) else {"artifact": None, "files": of} for name, of in noted.items()}
        return {name: Published(**of) for name, of in notes.items() if (folder / name).exists()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{folder / PUBLISHED} is damaged ({error}), so what runs published there is not known. Remove it: the "
            "next run notes anew what it publishes."
        ) from None


def result_folders() -> dict[Path, Path]:
    """Where runs have published, by the note of it; a folder may be gone."""
    notes = (data_root() / RESULT_FOLDERS).glob("[!.]*")
    return {note: data_root().parent / os.fsdecode(note.read_bytes()) for note in notes}


def _note_published(artifact: Artifact, target: Path) -> None:
    """Remember of which artifact a result is, beside it, and in the data folder where results lie."""
    folder, checkout = target.parent.absolute(), data_root().parent
    place = os.fsencode(folder.relative_to(checkout) if folder.is_relative_to(checkout) else folder)
    note = data_root() / RESULT_FOLDERS / hashlib.sha256(place).hexdigest()[:16]
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(note, place)
    before = published(folder)
    noted = before | {target.name: Published(_place(artifact), sorted(_files_in(target)))}
    if noted != before:
        notes = {name: of._asdict() for name, of in noted.items()}
        _write_whole(folder / PUBLISHED, json.dumps(notes, indent=1).encode())


def _place(artifact: Artifact) -> str | None:
    """<stage>/<key> of what a task made; None for a file from outside."""
    if not artifact.path.is_relative_to(data_root()):
        return None
    place = "/".join(artifact.path.relative_to(data_root()).parts[:2])
    return place if (data_root() / place / MANIFEST).is_file() else None


def _write_whole(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name.lstrip('.')}.{uuid.uuid4().hex[:8]}.tmp")
    fresh.write_bytes(content)
    fresh.replace(path)


def _files_in(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir()}


def _move_into_place(folder: Path, finished: Artifact, made: _Making) -> Artifact:
    """Rename a finished folder to its final name, and say what stands there then.

    Where a whole twin got there first, that one stays; so does an older one of the same content, as made now.
    """
    with contextlib.ExitStack() as replaced:
        while True:
            try:
                folder.rename(made.folder)
                break
            except OSError:
                if finished_artifact(made.stage, made.key) == finished:
                    (folder / MANIFEST).replace(made.folder / MANIFEST)
                    break
                if twin := finished_artifact(made.stage, made.key, made.since):
                    return twin
                aside = made.folder.with_name(f".{made.key}.{uuid.uuid4().hex[:8]}.tmp")
                with contextlib.suppress(FileNotFoundError):
                    made.folder.rename(aside)
                replaced.callback(remove, aside)
    _flush(made.folder.parent)
    return finished


def remove(path: Path) -> None:
    """Remove a file or a folder as far as that can be."""
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
