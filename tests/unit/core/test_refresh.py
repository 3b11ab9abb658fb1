"""What is made again and what is found, on a flow of three small stages: after a refresh, and after a prune."""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, Task, flow, unmapped
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import Scheduled
from prefect.task_runners import ThreadPoolTaskRunner

import tasks
from flows.cli import publish_until
from flows.prune import PruneParams, tidy
from tasks import caching
from tasks.artifact import Artifact, finished_artifact
from tasks.caching import made_since, refreshing
from tasks.errors import InputError

STAGES = ("first", "second", "third")
TASK = '''
import os
from pathlib import Path

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.errors import InputError

@cached_task("say {word}")
def say(source: Artifact | None, word: str) -> Artifact:
    """What the source says, and a word in the version of the library that is installed."""
    with open("calls", "a") as calls:
        calls.write("STAGE ")
    with new_artifact("STAGE", "said") as out:
        out.path.mkdir()
        before = (source.path / "text").read_text() if source else ""
        (out.path / "text").write_text(f"{before} {word}{os.environ.get('VERSION_STAGE', '')}")
        if "FAIL_STAGE" in os.environ:
            raise InputError("it does not work")
    return out.sealed()
'''

Say = Task[[Artifact | None, str], Artifact]


@pytest.fixture
def say(data_folder: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Say]]:
    """The task of each stage, in an empty folder."""
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(data_folder.parent / "extra")])
    for stage in STAGES:
        folder = data_folder.parent / "extra" / stage
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "task.py").write_text(TASK.replace("STAGE", stage))
    importlib.invalidate_caches()
    caching.source_hash.cache_clear()
    caching._source_path.cache_clear()
    yield {stage: importlib.import_module(f"tasks.{stage}.task").say for stage in STAGES}
    for name in [name for name in sys.modules if name.startswith(tuple(f"tasks.{stage}" for stage in STAGES))]:
        del sys.modules[name]


def chain(say: dict[str, Say], between: Callable[[], None] = lambda: None) -> Flow[..., dict[str, Path]]:
    """A flow of the stages one after the other. between: called before the last."""

    def made() -> Iterator[tuple[str, dict[str, Artifact]]]:
        first = say["first"](None, "one")
        yield "first", {"first": first}
        second = say["second"](first, "two")
        yield "second", {"second": second}
        between()
        yield "third", {"third": say["third"](second, "three")}

    @flow
    def chained(*refreshed: str) -> dict[str, Path]:
        return publish_until("third", Path("data/out/chained"), made(), refreshed)

    return chained


def calls() -> list[str]:
    """The stages that worked since this was asked last."""
    path = Path("calls")
    said = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return said


def manifests() -> dict[str, dict[str, Any]]:
    return {path.parts[1]: json.loads(path.read_text()) for path in Path("data").glob("*/[!.]*/manifest.json")}


def inodes() -> dict[str, int]:
    return {path.parts[1]: path.stat().st_ino for path in Path("data").glob("*/[!.]*/said/text")}


def test_a_refreshed_stage_is_made_again_and_no_other_where_its_bytes_are_the_same(say: dict[str, Say]) -> None:
    chain(say)()
    assert calls() == list(STAGES)
    before = inodes(), manifests()
    chain(say)("second")
    assert calls() == ["second"]
    assert inodes() == before[0]
    later = {stage for stage, manifest in manifests().items() if manifest["made"] > before[1][stage]["made"]}
    assert later == {"second"}
    chain(say)()
    assert calls() == []


def test_what_follows_another_result_is_made_again(say: dict[str, Say], monkeypatch: pytest.MonkeyPatch) -> None:
    published = chain(say)()
    monkeypatch.setenv("VERSION_second", "2")
    chain(say)()
    chain(say)("first")
    assert calls() == [*STAGES, "first"]
    chain(say)("second")
    assert calls() == ["second", "third"]
    assert (published["third"] / "text").read_text() == " one two2 three"
    chain(say)()
    assert calls() == []


def test_a_failing_refresh_leaves_the_old_artifact_whole(say: dict[str, Say], monkeypatch: pytest.MonkeyPatch) -> None:
    chain(say)()
    before = inodes(), manifests()
    monkeypatch.setenv("FAIL_second", "1")
    with pytest.raises(InputError, match="it does not work"):
        chain(say)("second")
    assert (inodes(), manifests()) == before
    assert all(finished_artifact(stage, manifest["key"]) for stage, manifest in manifests().items())
    assert calls() == [*STAGES, "second"]
    chain(say)()
    assert calls() == []


@pytest.mark.parametrize("at_once", [False, True])
def test_one_run_makes_nothing_twice(say: dict[str, Say], at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    @flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
    def same(*refreshed: str) -> list[Artifact]:
        with refreshing(refreshed):
            if at_once:
                return say["first"].map(unmapped(None), ["one"] * 4).result()
            return [say["first"](None, "one") for _ in range(4)]

    same()
    for version, name in enumerate(("", "VERSION_first")):
        monkeypatch.setenv(name or "VERSION_other", str(version))
        calls()
        assert len({artifact.fingerprint for artifact in same("first")}) == 1
        assert calls() == ["first"]


def test_a_run_that_goes_on_after_a_crash_refreshes_what_is_left(say: dict[str, Say]) -> None:
    chain(say)()
    calls()

    def crash() -> None:
        raise RuntimeError("power cut")

    with get_client(sync_client=True) as client:
        crashing = chain(say, crash)
        run = client.create_flow_run(crashing, parameters={"refreshed": STAGES})
        with pytest.raises(RuntimeError, match="power cut"):
            run_flow(crashing, flow_run=run, parameters={"refreshed": STAGES})
        assert calls() == ["first", "second"]
        client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry"), force=True)
        run_flow(chain(say), flow_run=client.read_flow_run(run.id), parameters={"refreshed": STAGES})
    assert calls() == ["third"]


def test_outside_of_a_refresh_any_age_counts(data_folder: Path) -> None:
    begun = time.time()
    with refreshing({"first"}):
        assert begun <= made_since("first") <= time.time()
        assert made_since("second") == 0
    assert made_since("first") == 0


def test_after_a_prune_a_flow_finds_its_lineage_and_makes_again_what_was_pruned(say: dict[str, Say]) -> None:
    published = chain(say)()

    @flow
    def other() -> Artifact:
        return say["first"](None, "other")

    pruned = other()
    for path in Path("data").glob("*/[!.]*/manifest.json"):
        os.utime(path, (0, 0))
    tidy(PruneParams(delete=True))
    assert not pruned.path.exists()
    calls()
    assert chain(say)() == published
    assert calls() == []
    assert other() == pruned
    assert calls() == ["first"]


def test_what_a_flow_finds_counts_as_used(say: dict[str, Say]) -> None:
    chain(say)()
    old = manifests()
    for name in ("record", "artifact"):
        for path in Path("data").glob("*/[!.]*/manifest.json"):
            os.utime(path, (0, 0))
        if name == "artifact":
            for path in Path("data/.results").iterdir():
                path.unlink()
        chain(say)()
        assert all(path.stat().st_mtime > 0 for path in Path("data").glob("*/[!.]*/manifest.json"))
    assert manifests() == old
    assert {path.name for path in Path("data/.results").iterdir()} == {manifest["key"] for manifest in old.values()}
