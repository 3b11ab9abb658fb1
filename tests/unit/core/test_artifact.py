"""Artifacts: whole or absent, verified by content, published in one step."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifact import (
    Artifact,
    external,
    fingerprint,
    finished_artifact,
    finished_artifacts,
    link_or_copy,
    making,
    new_artifact,
    publish,
    published,
    require_writable,
)
from tasks.errors import ArtifactError, InputError

KEY = "k" * 40


def make(text: str = "rows", key: str = KEY) -> Artifact:
    with making("density", key, {"k": 10}, {"pairs": "abc"}), new_artifact("density", "weights.txt") as out:
        out.path.write_text(text)
        out.holds(3)
    return out.sealed()


def test_an_artifact_lies_under_its_stage_and_key_with_its_lineage(data_folder: Path) -> None:
    artifact = make()
    assert artifact.path == data_folder / "density" / KEY / "weights.txt"
    manifest = artifact.manifest
    assert (manifest["rows"], manifest["bytes"], manifest["params"]) == (3, 4, {"k": 10})
    assert manifest["inputs"] == {"pairs": "abc"}
    assert manifest["fingerprint"] == artifact.fingerprint
    assert manifest["versions"]["numpy"]
    assert manifest["seconds"] >= 0


def test_a_failure_leaves_nothing_behind(data_folder: Path) -> None:
    def fail() -> None:
        with new_artifact("density", "weights.txt") as out:
            out.path.write_text("half")
            raise RuntimeError("the disk went away")

    with pytest.raises(RuntimeError):
        fail()
    assert list((data_folder / "density").iterdir()) == []


def test_nothing_is_sealed_before_its_block_has_ended(data_folder: Path) -> None:
    with new_artifact("density", "weights.txt") as out:
        out.path.write_text("half")
        with pytest.raises(ArtifactError):
            out.sealed()


def test_a_task_cannot_write_into_another_stage(data_folder: Path) -> None:
    with pytest.raises(ArtifactError), making("embed", KEY, {}, {}), new_artifact("density", "weights.txt"):
        pass


@pytest.mark.parametrize("damage", ["delete", "truncate", "change", "link", "folder"])
def test_a_damaged_artifact_is_not_taken_for_whole(data_folder: Path, damage: str) -> None:
    artifact = make()
    other = data_folder / "other.txt"
    other.write_text("rows")
    if damage == "truncate":
        artifact.path.write_text("row")
    elif damage == "change":
        artifact.path.write_text("roWs")
    else:
        artifact.path.unlink()
        if damage == "link":
            artifact.path.symlink_to(other)
        elif damage == "folder":
            artifact.path.mkdir()
    assert not artifact.is_whole()
    assert finished_artifact("density", KEY) is None


def test_a_damaged_artifact_is_replaced_by_a_new_one(data_folder: Path) -> None:
    make().path.write_text("damaged")
    assert make("rows").path.read_text() == "rows"


def test_of_two_makers_at_once_the_first_whole_one_stays(data_folder: Path) -> None:
    """Where a shared file system has no locks."""
    first = make()
    aside = first.path.parent.rename(data_folder / "elsewhere")
    with making("density", KEY, {}, {}), new_artifact("density", "weights.txt") as late:
        late.path.write_text("rows")
        aside.rename(first.path.parent)
        before = first.path.stat().st_ino
    assert late.sealed() == first
    assert first.path.stat().st_ino == before


def test_what_was_made_last_is_found_first(data_folder: Path) -> None:
    """Of two that hold the same, such as shards of vectors, the one that a refresh has made counts."""
    made = [make(key, key * 40) for key in "bca"]
    assert [artifact for _, artifact in finished_artifacts("density", "weights.txt")] == made[::-1]


def test_an_artifact_made_before_is_replaced_by_another_and_stays_where_it_is_the_same(data_folder: Path) -> None:
    old = make()
    inode, since = old.path.stat().st_ino, time.time()
    for text in ("rows", "other"):
        assert finished_artifact("density", KEY, since) is None
        with making("density", KEY, {}, {}, since=since), new_artifact("density", "weights.txt") as out:
            out.path.write_text(text)
            assert finished_artifact("density", KEY) == old
        assert finished_artifact("density", KEY, since) == out.sealed()
        assert (out.sealed() == old) == (out.sealed().path.stat().st_ino == inode) == (text == "rows")
        since = time.time()
    assert [path.name for path in (data_folder / "density").iterdir()] == [".locks", KEY]


def test_where_a_whole_twin_differs_what_is_sealed_is_the_twin(data_folder: Path) -> None:
    twin = make("first")
    with making("density", KEY, {}, {}), new_artifact("density", "weights.txt") as late:
        late.path.write_text("second")
    assert late.sealed() == twin
    assert twin.is_whole()


def test_a_folders_parts_stand_in_its_manifest(data_folder: Path) -> None:
    artifact = folder_of("part-0", "part-1")
    parts = {name: artifact.part(name).fingerprint for name in ("part-0", "part-1")}
    assert artifact.manifest["parts"] == parts
    assert make().manifest["parts"] == {}


def test_a_record_survives_a_moved_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    record = make().model_dump_json()
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    assert Artifact.model_validate_json(record).is_whole()


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=8), min_size=1, max_size=4))
def test_a_folder_is_named_by_its_names_and_contents(files: dict[str, bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        for name, content in files.items():
            (Path(one) / name).write_bytes(content)
        for name, content in reversed(files.items()):
            (Path(two) / name).write_bytes(content)
        assert fingerprint(Path(one)) == fingerprint(Path(two))
        name = next(iter(files))
        (Path(two) / name).write_bytes(files[name] + b"x")
        assert fingerprint(Path(one)) != fingerprint(Path(two))


def test_publishing_replaces_files_and_folders_and_keeps_what_is_the_same(data_folder: Path) -> None:
    target = data_folder / "out" / "weights.txt"
    publish(make("one", "a" * 40), target)
    publish(make("two", "b" * 40), target)
    assert target.read_text() == "two"
    before = target.stat().st_ino
    publish(make("two", "b" * 40), target)
    assert target.stat().st_ino == before
    with new_artifact("sft", "model") as folder:
        folder.path.mkdir()
        (folder.path / "config.json").write_text("{}")
    for _ in range(2):
        publish(folder.sealed(), data_folder / "out" / "model")
        (data_folder / "out" / "model" / "config.json").write_text("changed")
    publish(folder.sealed(), data_folder / "out" / "model")
    assert (data_folder / "out" / "model" / "config.json").read_text() == "{}"
    assert sorted(p.name for p in (data_folder / "out").glob("[!.]*")) == ["model", "weights.txt"]


def folder_of(*names: str) -> Artifact:
    with new_artifact("terms", "run") as out:
        out.path.mkdir()
        for name in names:
            (out.path / name).write_text(name)
    return out.sealed()


def test_publishing_removes_what_a_run_put_there_and_nothing_else(data_folder: Path) -> None:
    target = data_folder / "out" / "train"
    publish(folder_of("part-0", "part-1"), target)
    publish(folder_of("part-0"), target)
    assert [p.name for p in target.iterdir()] == ["part-0"]
    (target / "cat.jpg").write_text("mine")
    with pytest.raises(InputError, match=r"1 files that no run put there, such as cat\.jpg"):
        publish(folder_of("part-0", "part-2"), target)
    assert sorted(p.name for p in target.iterdir()) == ["cat.jpg", "part-0"]


def test_a_linked_file_is_read_only_under_both_names(data_folder: Path) -> None:
    artifact = folder_of("part-0")
    publish(artifact, data_folder / "out" / "train", link_or_copy)
    for path in (artifact.path / "part-0", data_folder / "out" / "train" / "part-0"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert artifact.is_whole()


WAITS = """
import sys, time
from pathlib import Path
from tasks.artifact import making
with making("density", "k" * 40, {}, {}):
    Path(sys.argv[1]).touch()
    while not Path("go").exists():
        time.sleep(0.01)
    Path(sys.argv[1]).unlink()
"""


def test_two_processes_never_make_the_same_artifact_at_once(data_folder: Path) -> None:
    """A killed one frees the lock, and what it left is cleared away."""
    data_folder.mkdir()
    root = Path(__file__).parents[3]
    left = data_folder / "density" / f".{'k' * 40}.abc.tmp"
    left.mkdir(parents=True)
    start = lambda name: subprocess.Popen(  # noqa: E731
        [sys.executable, "-c", WAITS, name], cwd=data_folder.parent, env={**os.environ, "PYTHONPATH": str(root)}
    )
    inside = lambda: {p.name for p in data_folder.parent.glob("process-*")}  # noqa: E731
    first = start("process-1")
    while not inside():
        assert first.poll() is None
    assert not left.exists()
    second = start("process-2")
    with (data_folder / "density" / ".locks" / ("k" * 40)).open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert inside() == {"process-1"}
    first.kill()
    first.wait()
    while "process-2" not in inside():
        assert second.poll() is None
    (data_folder.parent / "go").touch()
    assert second.wait() == 0


def test_an_external_file_that_is_missing_is_named(data_folder: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.parquet does not exist"):
        external("nowhere.parquet")


@pytest.mark.parametrize("change", ["content, of the same length and time", "a file more"])
def test_an_input_that_changes_while_an_artifact_is_made_of_it_leaves_none(data_folder: Path, change: str) -> None:
    folder = data_folder.parent / "given"
    folder.mkdir()
    (folder / "texts").write_text("before")
    given, before = external(folder), (folder / "texts").stat()

    def make_while_it_changes() -> None:
        with making("stage", "key", {}, {}, reads=[given]), new_artifact("stage", "out") as out:
            out.path.write_text("made of it")
            if change == "a file more":
                (folder / "more").touch()
            else:
                (folder / "texts").write_text("after!")
                os.utime(folder / "texts", ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(InputError, match=r"given changed while it was read"):
        make_while_it_changes()
    assert not list(data_folder.glob("stage/[!.]*"))
    with making("stage", "key", {}, {}, reads=[external(folder)]), new_artifact("stage", "out") as out:
        out.path.write_text("made of it")
    assert out.sealed().is_whole()


def test_a_target_that_cannot_be_written_is_named_and_the_result_stays(data_folder: Path) -> None:
    artifact = make()
    target = Path("/dev/full/weights.txt")
    with pytest.raises(InputError, match=r"/dev/full/weights\.txt cannot be written"):
        publish(artifact, target)
    assert artifact.is_whole()


def test_a_folder_of_links_is_taken_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "1").write_text("{}")
    for name in ("snapshot", "copy"):
        (tmp_path / name).mkdir()
    (tmp_path / "snapshot" / "config.json").symlink_to("../blobs/1")
    (tmp_path / "copy" / "config.json").write_text("{}")
    assert external(tmp_path / "snapshot").fingerprint == external(tmp_path / "copy").fingerprint


def test_a_change_behind_a_link_to_a_folder_is_seen(tmp_path: Path) -> None:
    """Also of the same length and time; links may go in circles below it, and lead to one folder twice."""
    for name in ("given", "first/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "first/deep/texts").write_text("before")
    for name in ("a", "b"):
        (tmp_path / "given" / name).symlink_to(tmp_path / "first")
    before, of = external(tmp_path / "given"), (tmp_path / "first/deep/texts").stat()
    assert external(tmp_path / "given") == before
    (tmp_path / "first/deep/texts").write_text("after!")
    os.utime(tmp_path / "first/deep/texts", ns=(of.st_atime_ns, of.st_mtime_ns))
    after = external(tmp_path / "given")
    assert after != before
    (tmp_path / "second").symlink_to("first")
    (tmp_path / "given/b").unlink()
    (tmp_path / "given/b").symlink_to(tmp_path / "second")
    assert external(tmp_path / "given") == after
    (tmp_path / "first/deep/more").touch()
    assert external(tmp_path / "given") not in (before, after)
    (tmp_path / "first/deep/back").symlink_to(tmp_path / "first")
    with pytest.raises(InputError, match=r"given cannot be read .* is no plain file or folder"):
        external(tmp_path / "given")


KILLED = """
import os, signal, sys
from tasks.artifact import making, new_artifact
with making("density", "k" * 40, {}, {}), new_artifact("density", "weights.txt") as out:
    out.path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_in_the_middle_leaves_nothing_under_the_final_name(data_folder: Path) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert finished_artifact("density", KEY) is None
    assert not (data_folder / "density" / KEY).exists()
    assert make().is_whole()


def test_a_manifest_is_plain_json(data_folder: Path) -> None:
    assert isinstance(json.loads((make().path.parent / "manifest.json").read_text()), dict)


def test_a_folder_in_a_files_place_is_refused(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").mkdir()
    with pytest.raises(InputError, match=r"ids\.txt is a folder, and a file is to be written there"):
        publish(make(), tmp_path / "ids.txt")
    assert (tmp_path / "ids.txt").is_dir()


def test_only_what_runs_published_is_called_an_earlier_runs(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    publish(make(), tmp_path / "out/weights.txt")
    publish(make("other", "o" * 40), tmp_path / "out/older.txt")
    assert set(published(tmp_path / "out")) == {"weights.txt", "older.txt"}
    assert published(tmp_path / "out")["older.txt"].artifact == f"density/{'o' * 40}"
    (tmp_path / "out/older.txt").unlink()
    assert set(published(tmp_path / "out")) == {"weights.txt"}


def test_a_place_that_cannot_be_written_is_refused_before_the_work_and_no_folder_is_made(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
        with pytest.raises(InputError, match=f"{place} cannot be written"):
            require_writable(place)


@pytest.mark.parametrize("own", ["terms", "terms/new/deep", ".results", ".mine", "hub", "tensorboard/a", "out/../sft"])
def test_folders_of_data_that_runs_have_for_themselves_take_no_results(own: str, data_folder: Path) -> None:
    for folder in (data_folder / own, Path("data", own)):
        with pytest.raises(InputError, match=rf"lies in {data_folder}/.*Choose another --out, such as .*/data/out/"):
            require_writable(folder)
    (data_folder / "out").mkdir(parents=True)
    (data_folder / "out/link").symlink_to(data_folder / own)
    with pytest.raises(InputError, match="would be mixed"):
        require_writable(data_folder / "out/link/deep")


def test_other_folders_take_results(data_folder: Path, tmp_path: Path) -> None:
    for folder in (
        "data/out/kat",
        "data/in",
        "data",
        "data/mine",
        "terms",
        ".hidden",
        "data/out/.hidden",
        "data/out/hub",
    ):
        require_writable(tmp_path / folder)
    (tmp_path / "disk").mkdir()
    data_folder.mkdir()
    (data_folder / "terms").symlink_to(tmp_path / "disk")
    require_writable(tmp_path / "disk")
    with pytest.raises(InputError, match="would be mixed"):
        require_writable(data_folder / "terms")
