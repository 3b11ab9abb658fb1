"""What `flows.prune` counts, what it removes, and what it never touches."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.prune import PruneParams, main, tidy
from tasks.artifact import Artifact, finished_artifact, link_or_copy, making, new_artifact, publish
from tasks.prune import artifacts, disk_use, left_by_kills

ROOT = Path(__file__).parents[3]
DAY = 86_400
LONG_AGO = time.time() - 100 * DAY


def made(key: str, *inputs: Artifact, text: str = "", stage: str = "embed", folder: bool = False) -> Artifact:
    """An artifact last used long ago, with a record of Prefect's."""
    given = {"some": [[one.fingerprint] for one in inputs]}
    with making(stage, key, {}, given), new_artifact(stage, "made") as out:
        if folder:
            out.path.mkdir()
        for path in (out.path / "model", out.path / "log") if folder else [out.path]:
            path.write_text(text or f"{key} {path.name}")
    artifact = out.sealed()
    used(artifact, LONG_AGO)
    records = artifact.path.parents[2] / ".results"
    records.mkdir(exist_ok=True)
    (records / key).write_text("{}")
    return artifact


def used(artifact: Artifact, when: float) -> None:
    os.utime(artifact.path.parent / "manifest.json", (when, when))


def delete(days: float = 30) -> None:
    tidy(PruneParams(older_than=days, delete=True))


def keys() -> set[str]:
    return {path.parent.name for path in Path("data").glob("*/[!.]*/manifest.json")}


def tree(folder: Path) -> dict[str, tuple[int, float, bytes]]:
    """Everything under a folder: inode, time of change and content."""
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_mtime, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_what_a_result_derives_from_stays_however_indirectly(data_folder: Path) -> None:
    first = made("first")
    second = made("second", first, folder=True)
    third = made("third", second.part("model"))
    made("fourth", third)
    publish(third, data_folder / "out/flow/third")
    delete()
    assert keys() == {"first", "second", "third"}
    assert {path.name for path in (data_folder / ".results").iterdir()} == keys()


def test_a_part_that_is_published_keeps_the_whole(data_folder: Path) -> None:
    publish(made("whole", made("source"), folder=True).part("model"), data_folder / "out/flow/model")
    delete()
    assert keys() == {"whole", "source"}


def test_the_parts_of_older_manifests_are_found_by_their_content(data_folder: Path) -> None:
    second = made("second", made("first"), folder=True)
    third = made("third", second.part("log"))
    manifest = second.path.parent / "manifest.json"
    without = {name: value for name, value in json.loads(manifest.read_text()).items() if name != "parts"}
    manifest.write_text(json.dumps(without))
    used(second, LONG_AGO)
    publish(third, data_folder / "out/flow/third")
    delete()
    assert keys() == {"first", "second", "third"}


def test_results_outside_of_data_keep_their_lineage_while_they_exist(data_folder: Path, tmp_path: Path) -> None:
    places = [tmp_path / "results", tmp_path.parent / f"{tmp_path.name} elsewhere"]
    for number, place in enumerate(places):
        publish(made(f"{number}b", made(f"{number}a")), place / "deep" / "made")
    delete()
    assert keys() == {"0a", "0b", "1a", "1b"}
    for place in places:
        shutil.rmtree(place)
        delete()
    assert keys() == set()


def test_a_moved_checkout_keeps_its_results_lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    publish(made("kept"), Path("results/made"))
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    delete()
    assert keys() == {"kept"}


@pytest.mark.parametrize("note", ["of an older run", "none"])
def test_results_without_a_noted_artifact_are_known_by_their_content(data_folder: Path, note: str) -> None:
    second = made("second", made("first"), folder=True)
    publish(second.part("model"), data_folder / "out/flow/model")
    publish(made("third"), data_folder / "out/flow/third")
    path = data_folder / "out/flow/.published.json"
    if note == "none":
        path.unlink()
    else:
        path.write_text(json.dumps({name: of["files"] for name, of in json.loads(path.read_text()).items()}))
    (data_folder / "out/flow/third").unlink()
    delete()
    assert keys() == {"first", "second"}


def test_an_older_note_elsewhere_still_counts_when_a_run_publishes_beside_it(data_folder: Path, tmp_path: Path) -> None:
    results, old, new = tmp_path / "results", made("old"), made("new")
    publish(old, results / "old")
    (results / ".published.json").write_text('{"old": []}')
    shutil.rmtree(data_folder / ".result-folders")
    publish(new, results / "new")
    delete()
    assert keys() == {"old", "new"}


def test_the_next_run_notes_what_an_older_one_published(data_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "results/made"
    publish(made("old", text="same"), target)
    publish(made("new", text="same"), target)
    delete()
    assert keys() == {"new"}


def test_a_damaged_note_stops_it(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(made("kept"), data_folder / "out/flow/made")
    (data_folder / "out/flow/.published.json").write_text("{")
    with pytest.raises(SystemExit, match=r"\.published\.json is damaged .* Remove it"):
        main(["--delete"])
    assert keys() == {"kept"}


def test_what_was_used_within_the_days_stays(data_folder: Path) -> None:
    for key, days in (("young", 6), ("old", 8)):
        used(made(key), time.time() - days * DAY)
    delete(days=7)
    assert keys() == {"young"}


def test_what_is_being_made_stays(data_folder: Path) -> None:
    made("locked")
    made("free")
    with making("embed", "locked", {}, {}):
        delete()
    assert keys() == {"locked"}


def test_a_dry_run_changes_nothing_and_says_how_to_remove(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(made("kept"), data_folder / "out/flow/made")
    made("old")
    left = data_folder / "embed/.gone.0123abcd.tmp"
    left.mkdir()
    (left / "half").write_text("half")
    before = tree(data_folder)
    tidy(PruneParams(older_than=0))
    assert tree(data_folder) == before
    assert "nothing was removed. To remove what can go: make prune DELETE=1" in capsys.readouterr().out


def test_what_is_not_as_a_task_leaves_it_stays(data_folder: Path) -> None:
    foreign = [
        *("in/made/manifest.json", "in/.a.0123abcd.tmp/file", "out/.a.0123abcd.tmp/file", "notes.txt"),
        *("embed/mine.txt", "embed/mine/manifest.json", "embed/.mine/file", "embed/.backup.tmp/file"),
        *("hub/name--model@1/config.json", ".mine/embed/file"),
    ]
    made("gone")
    with_a_note = made("with-a-note").path.parent / "why.txt"
    copy = data_folder / "embed" / "copy"
    shutil.copytree(made("copied").path.parent, copy)
    moved = data_folder / "mine" / "copied"
    shutil.copytree(copy, moved)
    (data_folder / "embed/link").symlink_to(moved)
    for path in [with_a_note, *(data_folder / name for name in foreign)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    for path in data_folder.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    delete()
    assert {path for path in [with_a_note, *(data_folder / name for name in foreign)] if not path.exists()} == set()
    assert keys() == {"with-a-note", "copy", "copied", "mine", "made", "link"}
    assert not (data_folder / "embed/copied").exists()


def test_only_old_leftovers_of_kills_go(data_folder: Path) -> None:
    names = [".work/key", ".key.0123abcd.tmp", ".0123456789abcdef0123456789abcdef.tmp"]
    for age, stage in ((0, "young"), (100 * DAY, "old")):
        for name in names:
            folder = data_folder / stage / name / "checkpoint"
            folder.mkdir(parents=True)
            (folder / "file").touch()
            for path in (folder / "file", folder, folder.parent):
                os.utime(path, (time.time() - age,) * 2)
    held = data_folder / "old/.work/held"
    held.mkdir()
    os.utime(held, (LONG_AGO, LONG_AGO))
    with making("old", "held", {}, {}):
        delete()
    left = {str(path.relative_to(data_folder)) for path in data_folder.glob("*/.*/*") if ".locks" not in path.parts}
    assert left == {*(f"young/{name}" for name in (names[0], f"{names[1]}/checkpoint", f"{names[2]}/checkpoint"))} | {
        "old/.work/held"
    }


def test_a_file_of_several_names_counts_once_and_is_freed_when_all_go(data_folder: Path) -> None:
    part = made("part", text="x" * 1000)
    alone = made("alone", text="y" * 300)
    with making("embed", "all", {}, {}), new_artifact("embed", "made") as out:
        link_or_copy(part.path, out.path)
    used(out.sealed(), LONG_AGO)
    publish(alone, Path("elsewhere/alone"), link_or_copy)
    shutil.rmtree("data/.result-folders")
    every = artifacts()
    for going in ([], *itertools.combinations(every, 1), *itertools.combinations(every, 2), every):
        files = [path for item in every for path in item.folder.iterdir()]
        before = {path.stat().st_ino: path.stat().st_size for path in files}
        (use,) = disk_use([("embed", item) for item in every], going).values()
        gone = {path for item in going for path in item.folder.iterdir()}
        names = {inode: {path for path in Path().rglob("*") if path.stat().st_ino == inode} for inode in before}
        freed = sum(before[inode] for inode, of in names.items() if {path.absolute() for path in of} <= gone)
        assert (use.folders, use.bytes, use.going, use.freed) == (3, sum(before.values()), len(going), freed)


def table(capsys: pytest.CaptureFixture[str]) -> dict[str, list[int]]:
    """Rows by name: folders, bytes, folders that can go, bytes that are freed."""
    rows = [line.split() for line in capsys.readouterr().out.replace("left by kills", "left").splitlines()[1:]]
    figures = {name: [int(one.replace(",", "")) for one in of] for name, *of in rows if of[-1][0].isdigit()}
    others = [of for name, of in figures.items() if name != "all"]
    assert figures["all"] == [sum(column) for column in zip(*others, strict=True)]
    return figures


def test_the_table_tells_what_is_freed(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = sum(path.stat().st_size for path in made("old", text="x" * 5000).path.parent.iterdir())
    kept = made("kept", stage="sft")
    publish(kept, data_folder / "out/flow/made")
    delete()
    rows = table(capsys)
    assert rows["embed"] == [1, size, 1, size]
    assert rows["all"][2:] == [1, size]


def test_the_table_adds_up_to_all_of_data_each_file_once(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(made("a", text="a" * 1000), data_folder / "out/linked", link_or_copy)
    publish(made("b", text="b" * 700), data_folder / "out/copied")
    publish(made("c", text="c" * 500), tmp_path / "elsewhere/linked", link_or_copy)
    sizes = {"hub/model": 3000, "in/texts": 200, "sbom/a": 10, "tensorboard/sft/a": 50, "embed/mine": 7, "README": 5}
    for name, size in {**sizes, "embed/.work/now/checkpoint": 90, ".mine/deep/a": 20}.items():
        (data_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (data_folder / name).write_bytes(b"x" * size)
    (data_folder / "hub/link").symlink_to("model")
    tidy(PruneParams())
    rows = table(capsys)
    files = {path.lstat().st_ino: path.lstat().st_size for path in data_folder.rglob("*") if not path.is_dir()}
    assert rows["all"][1] == sum(files.values())
    kept = {name: rows[name] for name in ("hub", "in", "sbom", "tensorboard", "files", ".mine")}
    sizes = {"hub": 3005, "in": 200, "sbom": 10, "tensorboard": 50, ".mine": 20}
    assert kept == {**{name: [1, size, 0, 0] for name, size in sizes.items()}, "files": [0, 5, 0, 0]}
    notes = (data_folder / "out/.published.json").stat().st_size
    assert rows["out"] == [1, 700 + notes, 0, 0]
    manifests = sum(path.stat().st_size for path in data_folder.glob("embed/*/manifest.json"))
    assert rows["embed"] == [3, 1000 + 700 + 500 + manifests + 7 + 90, 0, 0]


def locks() -> set[str]:
    return {path.name for path in Path("data").glob("*/.locks/*")}


def test_locks_go_with_the_last_of_their_key_unless_they_are_held(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(made("kept"), data_folder / "out/flow/made")
    used(made("young"), time.time())
    for name in ("embed/.work/begun/file", "embed/.aside.0123abcd.tmp/file", "mine/.locks/notes"):
        (data_folder / name).parent.mkdir(parents=True)
        (data_folder / name).write_text("now")
    for key in ("gone", "begun", "aside", "failed", "held"):
        (data_folder / "embed/.locks" / key).touch()
    made("gone")
    with making("embed", "held", {}, {}):
        tidy(PruneParams())
        assert locks() == {"kept", "young", "gone", "begun", "aside", "failed", "held", "notes"}
        delete()
        assert locks() == {"kept", "young", "begun", "aside", "held", "notes"}
    assert "removed 1 folders, and 2 lock files of what is gone" in capsys.readouterr().out
    delete()
    assert "held" not in locks()


KILLED = """
import os, signal, sys
from tasks.prune import artifacts, prune, unneeded

since, left = float(sys.argv[1]), int(sys.argv[2])
going = unneeded(artifacts(), since)

def strike(event, _):
    global left
    if event in {"os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}:
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

sys.addaudithook(strike)
for item in going:
    prune(item, since)
"""


def test_a_prune_killed_at_any_step_leaves_what_the_next_one_finds(data_folder: Path) -> None:
    publish(made("kept"), data_folder / "out/flow/made")
    since = time.time() - 30 * DAY
    for step in itertools.count():
        made("a", folder=True)
        made("b")
        command = [sys.executable, "-c", KILLED, str(since), str(step)]
        ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
        assert all(finished_artifact("embed", key) for key in keys())
        assert {path.name for path in (data_folder / ".results").iterdir()} <= keys()
        for key in keys():
            os.utime(data_folder / "embed" / key / "manifest.json", (LONG_AGO, LONG_AGO))
        delete()
        files = {path for path in (data_folder / "embed").rglob("*") if path.is_file() and ".locks" not in path.parts}
        assert {path.parent.name for path in files} == {"kept"}
        delete(days=0)
        assert keys() == {"kept"}
        assert left_by_kills(time.time()) == []
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    assert step > 8


@dataclass(frozen=True)
class Node:
    """An artifact of a random graph."""

    inputs: frozenset[tuple[int, bool]]
    """Earlier ones, and whether it is their part that is read."""
    content: int
    is_folder: bool
    is_young: bool
    is_locked: bool
    published: str | None


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    nodes: list[Node] = []
    for _ in range(draw(st.integers(1, 6))):
        before = st.tuples(st.integers(0, max(0, len(nodes) - 1)), st.booleans())
        nodes.append(
            Node(
                draw(st.frozensets(before, max_size=3 if nodes else 0)),
                draw(st.integers(0, 3)),
                *(draw(st.booleans()) for _ in range(2)),
                draw(st.integers(0, 5)) == 0,
                draw(st.sampled_from([None, None, None, "data/out/flow", "elsewhere"])),
            )
        )
    return nodes


def read(node: Node, part: bool) -> tuple[str, int]:
    """What of a node is an input: folders with one content are one, and so are files."""
    return ("file" if part or not node.is_folder else "folder", node.content)


def closure(nodes: list[Node], wanted: set[int]) -> set[int]:
    """Wanted nodes, and again and again every node of which one of them reads the content, wherever that came from."""
    while True:
        contents = {read(nodes[source], part) for at in wanted for source, part in nodes[at].inputs}
        more = {at for at, node in enumerate(nodes) if {read(node, False), read(node, True)} & contents}
        if more <= wanted:
            return wanted
        wanted = wanted | more


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_what_remains_is_the_lineage_of_results_and_what_is_young_or_locked(nodes: list[Node]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.chdir(folder)
        every: list[Artifact] = []
        for at, node in enumerate(nodes):
            inputs = [every[i].part("model") if part and nodes[i].is_folder else every[i] for i, part in node.inputs]
            every.append(made(f"{at}", *inputs, text=f"content {node.content}", folder=node.is_folder))
            if node.is_young:
                used(every[-1], time.time())
            if node.published:
                publish(every[-1], Path(node.published) / f"{at}")
        for at, node in enumerate(nodes):
            if node.is_locked:
                stack.enter_context(making("embed", f"{at}", {}, {}))
        before = tree(Path.cwd())
        tidy(PruneParams())
        assert tree(Path.cwd()) == before
        delete()
        needed = closure(nodes, {at for at, node in enumerate(nodes) if node.published})
        idle = {at for at, node in enumerate(nodes) if not node.is_young and not node.is_locked}
        assert keys() == {f"{at}" for at in range(len(nodes)) if at in needed or at not in idle}
        assert {path.name for path in Path("data/.results").iterdir()} == keys()
        assert all(every[int(key)].is_whole() for key in keys())
        for at, node in enumerate(nodes):
            if node.published:
                target = Path(node.published, f"{at}").absolute()
                assert Artifact(path=target, fingerprint=every[at].fingerprint).is_whole()
