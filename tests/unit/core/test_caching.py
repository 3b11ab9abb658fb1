"""What a cached task does again, and what it does not: with a real server, on a stage written for the test."""

import ast
import gc
import importlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

import tasks
from tasks import caching
from tasks.artifact import Artifact, external, new_artifact
from tasks.caching import ArtifactSerializer, _parsed, cached_task, identity
from tasks.errors import ArtifactError, InputError, KatflowError, TrainingError
from tasks.params import HOW, Params

TASK = '''
from pydantic import Field
from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.params import HOW, Params

class P(Params):
    k: int = 1
    workers: int = Field(1, json_schema_extra=HOW)

@cached_task("shout {params.k}")
def shout(text: Artifact, params: P) -> Artifact:
    """Docs."""
    from tasks.trial.pure import shouted
    with open("calls", "a") as calls:
        calls.write("x")
    with new_artifact("trial", "shouted.txt") as out:
        out.path.write_text(shouted(text.path.read_text()) * params.k)
    return out.sealed()
'''
PURE = "def shouted(text: str) -> str:\n    return text.upper()\n"


class Trial:
    """A stage `tasks.trial` in a temporary folder, run by a flow of one task."""

    def __init__(self, folder: Path) -> None:
        self.stage = folder / "extra" / "trial"
        self.stage.mkdir(parents=True)
        (self.stage / "__init__.py").touch()
        (self.stage / "task.py").write_text(TASK)
        (self.stage / "pure.py").write_text(PURE)
        self.text = folder / "text.txt"
        self.text.write_text("hello")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.stage / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def run(self, **params: Any) -> Artifact:
        for name in [name for name in sys.modules if name.startswith("tasks.trial")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        caching.source_hash.cache_clear()
        caching._source_path.cache_clear()
        caching._source.cache_clear()
        module = importlib.import_module("tasks.trial.task")

        @flow
        def once() -> Artifact:
            return module.shout(external(self.text), module.P(**params))

        return once()

    @property
    def calls(self) -> int:
        return len(Path("calls").read_text())


@pytest.fixture
def trial(data_folder: Path, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(data_folder.parent / "extra")])
    yield Trial(data_folder.parent)
    for name in [name for name in sys.modules if name.startswith("tasks.trial")]:
        del sys.modules[name]


def test_second_run_does_no_work(trial: Trial) -> None:
    first = trial.run()
    assert trial.run() == first
    assert first.path.read_text() == "HELLO"
    assert trial.calls == 1


def test_a_number_of_workers_is_no_part_of_the_key(trial: Trial) -> None:
    trial.run(workers=1)
    trial.run(workers=2)
    assert trial.calls == 1


def test_comments_and_docstrings_do_not_count(trial: Trial) -> None:
    trial.run()
    trial.edit("pure.py", "    return", "    # upper case\n    return")
    trial.edit("task.py", '"""Docs."""', '"""Other docs."""')
    trial.run()
    assert trial.calls == 1


def test_a_changed_helper_is_noticed(trial: Trial) -> None:
    trial.run()
    trial.edit("pure.py", "upper", "title")
    assert trial.run().path.read_text() == "Hello"
    assert trial.calls == 2


def test_a_changed_parameter_is_noticed(trial: Trial) -> None:
    trial.run()
    assert trial.run(k=2).path.read_text() == "HELLOHELLO"
    assert trial.calls == 2


def test_changed_input_content_is_noticed_and_a_moved_input_is_not(trial: Trial) -> None:
    trial.run()
    trial.text = trial.text.rename(trial.text.with_name("moved.txt"))
    trial.run()
    assert trial.calls == 1
    trial.text.write_text("good day")
    assert trial.run().path.read_text() == "GOOD DAY"


def test_a_changed_page_of_the_stage_is_noticed(trial: Trial) -> None:
    (trial.stage / "page.html").write_text("<b>")
    trial.run()
    (trial.stage / "page.html").write_text("<i>")
    trial.run()
    assert trial.calls == 2


def test_byte_code_that_another_process_is_writing_is_no_source(trial: Trial) -> None:
    """Python writes it under a name of its own beside the final one: gone when it is read, or part of the key."""
    trial.run()
    half_written = trial.stage / "__pycache__/pure.cpython-311.pyc.139912345"
    half_written.parent.mkdir(exist_ok=True)
    half_written.touch()
    trial.run()
    assert trial.calls == 1


@pytest.mark.parametrize("damage", ["delete", "truncate", "change"])
def test_a_damaged_output_is_made_again(trial: Trial, damage: str) -> None:
    artifact = trial.run()
    if damage == "delete":
        artifact.path.unlink()
    else:
        artifact.path.write_text("HELL" if damage == "truncate" else "HULLO")
    assert trial.run().path.read_text() == "HELLO"
    assert trial.calls == 2


@pytest.mark.parametrize("record", ["", "{", '{"result": "{}"}', '{"result": 3}'])
def test_a_damaged_record_costs_no_result(trial: Trial, data_folder: Path, record: str) -> None:
    artifact = trial.run()
    (path,) = (data_folder / ".results").iterdir()
    path.write_text(record)
    assert trial.run() == artifact
    assert trial.calls == 1


def test_a_deleted_record_costs_no_result(trial: Trial, data_folder: Path) -> None:
    artifact = trial.run()
    for path in (data_folder / ".results").iterdir():
        path.unlink()
    assert trial.run() == artifact
    assert trial.calls == 1


def test_records_are_plain_json_that_names_no_code(trial: Trial, data_folder: Path) -> None:
    artifact = trial.run()
    (path,) = (data_folder / ".results").iterdir()
    record = json.loads(path.read_text())
    assert json.loads(record["result"]) == {
        "path": str(artifact.path.relative_to(data_folder)),
        "fingerprint": artifact.fingerprint,
    }


def test_arguments_that_cannot_be_keyed_are_refused_at_decoration() -> None:
    def takes_anything(what: object) -> Artifact: ...

    def returns_text(k: int) -> str: ...

    with pytest.raises(TypeError, match="what"):
        cached_task("x")(takes_anything)
    with pytest.raises(TypeError, match="must return one Artifact"):
        cached_task("x")(returns_text)  # type: ignore[arg-type]


def test_artifacts_in_nested_lists_are_inputs(data_folder: Path, prefect_server: None) -> None:
    def gather(parts: list[list[Artifact]], words: list[str]) -> Artifact:
        with new_artifact("trial", "all.txt") as out:
            out.path.write_text("".join(part.path.read_text() for of in parts for part in of) + "".join(words))
        return out.sealed()

    gather.__module__ = "tasks.trial"
    task = cached_task("gather")(gather)
    data_folder.parent.joinpath("a.txt").write_text("a")
    part = external("a.txt")

    @flow
    def once() -> Artifact:
        return task([[part], [part]], ["b"])

    manifest = once().manifest
    assert manifest["inputs"] == {"parts": [[part.fingerprint], [part.fingerprint]]}
    assert manifest["params"] == {"words": ["b"]}


def test_nested_how_fields_are_no_part_of_the_identity() -> None:
    from pydantic import Field

    class Inner(Params):
        seed: int = 0
        threads: int = Field(1, json_schema_extra=HOW)

    class Outer(Params):
        inner: Inner = Inner()

    assert identity(Outer()) == identity(Outer(inner=Inner(threads=9))) == {"inner": {"seed": 0}}
    assert identity(Outer()) != identity(Outer(inner=Inner(seed=1)))


@pytest.mark.parametrize("kind", [InputError, ArtifactError, TrainingError, KatflowError])
def test_a_record_is_an_artifact_or_the_error_that_came_instead(kind: type[KatflowError]) -> None:
    serializer = ArtifactSerializer()
    artifact = Artifact(path=Path("/a/b"), fingerprint="f")
    assert serializer.loads(serializer.dumps(artifact)) == artifact
    back = serializer.loads(serializer.dumps(kind("what, why, what to do")))
    assert (type(back), str(back)) == (kind, "what, why, what to do")
    with pytest.raises(ValueError, match="extra"):
        serializer.loads(b'{"path": "/a", "fingerprint": "f", "code": "x"}')


def test_threads_can_look_for_results_at_once() -> None:
    """Python 3.11's parser fails where another thread gets into it while garbage is collected: let that be often."""
    switch = lambda *_: time.sleep(0)  # noqa: E731
    before = gc.get_threshold()
    gc.callbacks.append(switch)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(caching.source_hash.__wrapped__, ["tasks.prompts.task"] * 4))
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(switch)
    assert set(found) == {caching.source_hash("tasks.prompts.task")}


def test_looking_for_results_loads_no_library_that_only_making_them_needs() -> None:
    look = (
        "import sys, flows.kat, flows.experiment, flows.novelty\n"
        "from tasks.caching import source_hash\n"
        "for name in [name for name in sys.modules if name.startswith('tasks.') and name.endswith('.task')]:\n"
        "    source_hash(name)\n"
        "flows.kat.find_sft_model(flows.kat.KatParams().sft)\n"
        "print(*{'torch', 'transformers', 'umap', 'sklearn'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_sources_are_read_while_other_threads_parse_too() -> None:
    """Python 3.11's parser fails then, now and then: here until it has, or a bound where it does not (from 3.12 on)."""
    texts = [path.read_text() for path in Path(tasks.__file__).parent.rglob("*.py")]
    ended, interval, threshold = threading.Event(), sys.getswitchinterval(), gc.get_threshold()

    def parses() -> bool:
        """Whether all went well."""
        try:
            return all(ast.parse(text) for text in texts)
        except SystemError:
            return False

    def hammer() -> None:
        while not ended.is_set():
            parses()

    def switch(*_: object) -> None:
        """Python code amid the parser's own, at which threads take turns."""

    others = [threading.Thread(target=hammer) for _ in range(2)]
    gc.callbacks.append(switch)
    try:
        sys.setswitchinterval(1e-6)
        gc.set_threshold(3, 2, 2)
        for thread in others:
            thread.start()
        for _ in range(15):
            assert all(_parsed(text) for text in texts)
            if not parses():
                break
    finally:
        ended.set()
        gc.callbacks.remove(switch)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
        for thread in others:
            thread.join()
