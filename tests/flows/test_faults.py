"""Faults put into deployed runs on a real server and worker: none loses a result or makes a wrong one.

fault                                       what is to happen                                   test
------------------------------------------  --------------------------------------------------  ---------------------
flow killed (-9), three times               the same run goes on, Completed                     test_deployments
flow and worker killed                      found by silence, goes on with the next worker      test_deployments
flow told to end (SIGTERM)                  the same run goes on, Completed                     told_to_end
server killed                               the run makes on, Completed when a server is there  server_is_killed
server, worker and flow stopped             found by silence when they are there again          everything_was_stopped
flow and worker killed before it began      the same run is repeated                            test_deployments
flow dies whenever it is to begin, or       repeated three times, then Failed                   test_deployments
  again
flow killed, another run takes its place    it waits and goes on, Completed                     place_was_taken
worker killed                               its run ends, and goes on with the next worker      without_its_worker
worker killed, then cancelled               it ends when a worker is there again, Cancelled     cancelled_without
flow asleep until it is called crashed      Completed once                                      test_deployments,
                                                                                                  unit/flows/test_deployed
worker killed, then make down               no process of a run is left                         down_ends
database restarted, killed                  the same                                            database_is_restarted
part of a run truncated, flipped, deleted,  it and what follows are made again                  first_damaged_part,
  replaced by a link                                                                              rust/test_runs
  its record truncated, flipped, deleted    the same                                            rust/test_runs
result truncated, flipped, deleted,         made again by the next run                          damaged_result
  replaced by a link
Prefect's record truncated, flipped,        nothing is made again                               damaged_record
  deleted
disk full                                   Failed with the reason; goes on when there is space full_disk
folder read-only                            Failed with the reason                              read_only
input changed while it was read             Failed with the reason, nothing is kept             input_that_changes
two runs of the same at once                one makes, both end with the whole result           two_runs_at_once
clock stands still                          every run has its own seed                          clock_that_stands
cancelled in the UI                         nothing runs after 10 s; a new run goes on          what_is_cancelled
  while two policies train                  no process of theirs is left                        trainers_that_are
trainer killed                              it begins again at its checkpoint, by itself        trainer_that_is_killed
Dask worker killed                          its parts are made by another                       test_lambda_terms
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from flows import postgres
from flows.params import LambdaTermsParams
from tasks.terms.run import write_run
from tests.stack import ROOT, Stack, files, lives, stack_in, wait

JOB: dict[str, Any] = {"examples": 3_000_000, "workers": 1, "seed": 11}
SMALL: dict[str, Any] = {"examples": 300_000, "workers": 1, "seed": 12}
TINY: dict[str, Any] = {
    "terms": {"rows": 3000},
    "pairs": {"count": 800},
    "sft": {"hidden": 32, "layers": 1, "heads": 2, "max_steps": 8, "batch": 16},
    "reward": {"max_steps": 4, "batch": 8},
    "policy": {"max_steps": 30, "save_steps": 5, "batch": 16, "generations": 4, "max_completion": 8}
    | {"allow_weak_reward": True, "side_by_side": 2},
    "arms": ["uniform", "density"],
    "until": "policy",
    "out": "data/out/tiny",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_in(tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The stack, its data folder as if nothing had been made."""
    for made in (running.checkout / "data").iterdir():
        shutil.rmtree(made)
    return running


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], dict[str, bytes]]:
    """What a job makes where nothing disturbs it, without Prefect."""
    known: dict[int, dict[str, bytes]] = {}

    def made(job: dict[str, Any]) -> dict[str, bytes]:
        if job["seed"] not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            params = LambdaTermsParams.model_validate(job).run
            write_run(folder / "run", folder / "records", job["seed"], params, lambda share: None)
            known[job["seed"]] = files(folder / "run")
        return known[job["seed"]]

    return made


Undisturbed = Callable[[dict[str, Any]], dict[str, bytes]]


def test_every_fault_of_the_table_has_its_test() -> None:
    rows = (__doc__ or "").split("-  ---")[-1].splitlines()[1:]
    named = {name for row in rows for name in re.findall(r"[\w/]+", row[96:])}
    assert len(named) > 20
    here = [name for name in globals() if name.startswith("test_")]
    for name in named:
        files_so_called = [*ROOT.glob(f"tests/{name}.py"), *ROOT.glob(f"tests/flows/{name}.py")]
        assert files_so_called or len([test for test in here if name in test]) == 1, name


def begun(stack: Stack, job: dict[str, Any], parts: int = 1, deployment: str = "nightly") -> FlowRun:
    """A run that has kept some parts of its work."""
    run = stack.start(f"lambda-terms/{deployment}", **job)
    wait(lambda: len(stack.kept()) >= parts)
    return run


def completed(stack: Stack, run: FlowRun, out: str = "lambda_terms") -> dict[str, bytes]:
    """What a run has published, when it is Completed."""
    run = stack.finished(run)
    assert run.state_name == "Completed", run.state
    assert not list((stack.checkout / "data").glob("*/.*.tmp"))
    return files(stack.checkout / "data/out" / out)


def test_a_run_that_is_told_to_end_goes_on_by_itself(stack: Stack, undisturbed: Undisturbed) -> None:
    run = begun(stack, JOB)
    kept = len(stack.kept())
    stack.process(run).terminate()
    assert completed(stack, run) == undisturbed(JOB)
    assert stack.now(run).run_count == 2
    assert stack.manifest("terms")["figures"]["reused"] >= kept


def test_a_run_goes_on_though_the_server_is_killed(stack: Stack, undisturbed: Undisturbed) -> None:
    run = begun(stack, JOB)
    before = len(stack.kept())
    os.kill(stack.pid("server"), signal.SIGKILL)
    wait(lambda: len(stack.kept()) > before)
    assert stack.up().returncode == 0
    assert completed(stack, run) == undisturbed(JOB)
    assert stack.now(run).run_count == 1


def test_a_run_goes_on_after_everything_was_stopped_under_it(stack: Stack, undisturbed: Undisturbed) -> None:
    """As by a reboot: whoever fell silent while there was no server is found by the next one."""
    run = begun(stack, JOB)
    kept = len(stack.kept())
    process = stack.process(run)
    assert stack.call("down").returncode == 0
    process.wait()
    assert stack.up().returncode == 0
    assert completed(stack, run) == undisturbed(JOB)
    assert stack.manifest("terms")["figures"]["reused"] >= kept


@pytest.mark.skipif(not any(postgres.PROGRAMS.glob("*/bin/initdb")), reason="needs: apt-get install postgresql")
def test_a_run_goes_on_though_the_database_is_restarted_and_killed(tmp_path: Path, undisturbed: Undisturbed) -> None:
    """Postgres, as `make up DB=postgres` starts it."""
    with stack_in(tmp_path, "--db=postgres") as stack:
        cluster = postgres.cluster_of(tmp_path / ".katflow")
        try:
            run = begun(stack, JOB)
            postgres.stop(cluster)
            postgres.start(cluster)
            before = len(stack.kept())
            wait(lambda: len(stack.kept()) > before)
            pid = int((cluster / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            wait(lambda: not lives(pid))
            assert stack.up().returncode == 0
            assert completed(stack, run) == undisturbed(JOB)
            assert stack.now(run).run_count == 1
            assert stack.call("down").returncode == 0
            assert not postgres.is_running(cluster)
        finally:
            postgres.stop(cluster)
            subprocess.run(["rm", "-rf", *map(str, cluster.parent.glob(f"{cluster.name}*"))], check=True)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def truncate(path: Path) -> None:
    write(path, path.read_bytes()[:-1])


def link(path: Path) -> None:
    path.rename(path.with_name(".elsewhere"))
    path.symlink_to(".elsewhere")


def write(path: Path, content: bytes) -> None:
    """Under this name alone, as a bad block would: another name of the file keeps its content."""
    path.unlink()
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": truncate,
    "flipped": flip,
    "deleted": Path.unlink,
    "replaced by a link": link,
}


def test_a_run_goes_on_before_its_first_damaged_part(stack: Stack, undisturbed: Undisturbed) -> None:
    run = begun(stack, JOB, parts=len(DAMAGES) + 1)
    process = stack.process(run)
    process.suspend()
    (work,) = (stack.checkout / "data/terms/.work").glob("*")
    for number, damage in enumerate(DAMAGES.values(), start=1):
        damage(work / f"run/train/part-{number:05}.parquet")
    process.kill()
    assert completed(stack, run) == undisturbed(JOB)
    assert stack.manifest("terms")["figures"]["reused"] == 1


def test_a_damaged_result_is_made_again(stack: Stack, undisturbed: Undisturbed) -> None:
    assert completed(stack, stack.start("lambda-terms/nightly", **SMALL)) == undisturbed(SMALL)
    for damage in DAMAGES.values():
        (result,) = (stack.checkout / "data/terms").glob("[!.]*/run/val/part-00000.parquet")
        damage(result)
        assert completed(stack, stack.start("lambda-terms/nightly", **SMALL)) == undisturbed(SMALL)
        (result,) = (stack.checkout / "data/terms").glob("[!.]*/run/val/part-00000.parquet")
        assert not result.is_symlink()
        assert result.read_bytes() == undisturbed(SMALL)["val/part-00000.parquet"]


def test_a_damaged_record_costs_nothing(stack: Stack, undisturbed: Undisturbed) -> None:
    assert completed(stack, stack.start("lambda-terms/nightly", **SMALL)) == undisturbed(SMALL)
    (manifest,) = (stack.checkout / "data/terms").glob("[!.]*/manifest.json")
    made = manifest.stat().st_ino
    for damage in (Path.unlink, flip, truncate):
        (record,) = (stack.checkout / "data/.results").iterdir()
        damage(record)
        assert completed(stack, stack.start("lambda-terms/nightly", **SMALL)) == undisturbed(SMALL)
        assert manifest.stat().st_ino == made


@contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A disk of its own in a folder's place; busy, it is taken away as soon as nobody is in it."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root: run the tests as root")


@NEEDS_ROOT
def test_a_full_disk_fails_with_the_reason_and_the_run_goes_on_when_there_is_space(
    stack: Stack, undisturbed: Undisturbed
) -> None:
    terms = stack.checkout / "data/terms"
    with disk(terms, "size=1g"):
        run = begun(stack, JOB)
        remount(terms, "size=25m")
        run = stack.finished(run)
        assert run.state_name == "Failed"
        assert "No space left" in str(run.state and run.state.message)
        assert not list(terms.glob("[!.]*"))
        remount(terms, "size=1g")
        assert completed(stack, stack.start("lambda-terms/nightly", **JOB)) == undisturbed(JOB)
        assert stack.manifest("terms")["figures"]["reused"] >= 1


@NEEDS_ROOT
def test_a_folder_that_is_read_only_fails_with_the_reason(stack: Stack, undisturbed: Undisturbed) -> None:
    terms = stack.checkout / "data/terms"
    with disk(terms, "size=1g,ro"):
        run = stack.finished(stack.start("lambda-terms/nightly", **SMALL))
        assert run.state_name == "Failed"
        assert "Read-only file system" in str(run.state and run.state.message)
        remount(terms, "rw")
        assert completed(stack, stack.start("lambda-terms/nightly", **SMALL)) == undisturbed(SMALL)


def test_of_two_runs_at_once_one_makes_and_both_end_with_the_whole_result(
    stack: Stack, undisturbed: Undisturbed
) -> None:
    first = begun(stack, JOB)
    maker = stack.process(first)
    maker.suspend()
    second = stack.start("lambda-terms/lambda-terms-demo", **JOB, out="data/out/other")
    wait(lambda: stack.now(second).state_name == "Running")
    maker.resume()
    assert completed(stack, first) == undisturbed(JOB)
    assert completed(stack, second, "other") == undisturbed(JOB)
    assert stack.manifest("terms")["figures"]["reused"] == 0


def test_what_is_cancelled_ends_and_a_new_run_goes_on(stack: Stack, undisturbed: Undisturbed) -> None:
    run = begun(stack, JOB)
    process = stack.process(run)
    stack.client.set_flow_run_state(run.id, Cancelling())
    process.wait(timeout=10)
    assert stack.finished(run).state_name == "Cancelled"
    assert completed(stack, stack.start("lambda-terms/nightly", **JOB)) == undisturbed(JOB)
    assert stack.now(run).state_name == "Cancelled"
    assert stack.manifest("terms")["figures"]["reused"] >= 1


def test_a_run_without_its_worker_ends_and_goes_on_with_the_next(stack: Stack, undisturbed: Undisturbed) -> None:
    """Prefect's engine leaves when it is alone; one that was done before it noticed is Completed."""
    run = begun(stack, JOB)
    process = stack.process(run)
    os.kill(stack.pid("worker"), signal.SIGKILL)
    wait(lambda: not lives(process.pid))
    assert stack.up().returncode == 0
    assert completed(stack, run) == undisturbed(JOB)
    assert stack.now(run).run_count <= 2


def test_a_run_that_is_cancelled_without_a_worker_ends_with_the_next(stack: Stack) -> None:
    run = begun(stack, JOB)
    process = stack.process(run)
    process.suspend()  # so that it does not end by itself before
    os.kill(stack.pid("worker"), signal.SIGKILL)
    stack.client.set_flow_run_state(run.id, Cancelling())
    assert lives(process.pid)
    process.resume()
    assert stack.up().returncode == 0
    assert not lives(process.pid)
    assert stack.finished(run).state_name == "Cancelled"
    assert not (stack.checkout / "data/out/lambda_terms/manifest.json").exists()


def test_a_crashed_run_whose_place_was_taken_waits_and_goes_on(stack: Stack, undisturbed: Undisturbed) -> None:
    """With CANCEL_NEW Prefect cancels whatever finds another run of its deployment: that too."""
    run = begun(stack, JOB)
    kept = len(stack.kept())
    stack.process(run).kill()
    wait(lambda: stack.now(run).state_name == "Crashed")
    other = stack.start("lambda-terms/nightly", **SMALL, out="data/out/other")
    holder = stack.process(other)
    wait(lambda: stack.now(other).state_name == "Running")
    holder.suspend()
    wait(lambda: "Cancelled" in [state.name for state in stack.client.read_flow_run_states(run.id)])
    holder.resume()
    wait(lambda: stack.now(run).state_name == "Completed")
    assert completed(stack, other, "other") == undisturbed(SMALL)
    assert completed(stack, run) == undisturbed(JOB)
    assert stack.now(run).run_count == 2
    assert max(of["figures"]["reused"] for of in stack.manifests("terms")) >= kept


def test_down_ends_the_runs_of_a_worker_that_was_killed(stack: Stack) -> None:
    run = begun(stack, JOB)
    process = stack.process(run)
    os.kill(stack.pid("worker"), signal.SIGKILL)
    assert lives(process.pid)
    assert stack.call("down").returncode == 0
    assert not lives(process.pid)
    assert stack.up().returncode == 0
    stack.client.delete_flow_run(run.id)


def test_trainers_that_are_cancelled_leave_no_process(stack: Stack) -> None:
    """Two policies at once, each torchrun and two workers in sessions of their own."""
    policy = TINY["policy"] | {"max_steps": 10**6, "max_tokens": 10**9, "launcher": "accelerate", "num_processes": 2}
    run = stack.start("kat/demo", **TINY | {"policy": policy})
    trainers = [*wait(lambda: trainers_of(stack, run, 2 + 2 * 2)), stack.process(run)]
    stack.client.set_flow_run_state(run.id, Cancelling())
    _, left = psutil.wait_procs(trainers, timeout=10)
    assert not left
    assert stack.finished(run).state_name == "Cancelled"


def trainers_of(stack: Stack, run: FlowRun, count: int) -> list[psutil.Process]:
    """Processes of policies that train at once, when all are there."""
    children = stack.process(run).children(recursive=True)
    found = [child for child in children if "tasks.policy.worker" in child.cmdline()]
    return found if len(found) == count else []


def test_a_trainer_that_is_killed_begins_again_at_its_checkpoint(stack: Stack) -> None:
    run = stack.start("kat/demo", **TINY)
    trainers = wait(lambda: trainers_of(stack, run, 2))
    (work,) = wait(lambda: list((stack.checkout / "data/policy/.work").glob("*/checkpoint-*/.whole"))[:1])
    next(of for of in trainers if work.parents[1].name in str(of.cmdline())).kill()
    policies = completed(stack, run, "tiny")
    shutil.rmtree(stack.checkout / "data/policy")
    assert completed(stack, stack.start("kat/demo", **TINY), "tiny") == policies


def test_an_input_that_changes_while_it_is_read_leaves_no_result(stack: Stack) -> None:
    rows = "".join(
        json.dumps({"prompt": f"p{n}", "chosen": "yes", "rejected": f"no {n}"}) + "\n" for n in range(60_000)
    )
    given = stack.checkout / "data/in/pairs.jsonl"
    given.parent.mkdir(parents=True, exist_ok=True)
    given.write_text(rows)
    params = {"pairs": {"sources": [f"file:{given}"]}, "until": "pairs", "out": "data/out/changed"}
    run = stack.start("kat/demo", **params)
    wait(lambda: list((stack.checkout / "data/pairs/.locks").glob("*")))
    with given.open("a") as file:
        file.write(json.dumps({"prompt": "late", "chosen": "yes", "rejected": "no"}) + "\n")
    run = stack.finished(run)
    assert run.state_name == "Failed"
    assert "changed while it was read" in str(run.state and run.state.message)
    assert not list((stack.checkout / "data/pairs").glob("[!.]*"))
    completed(stack, stack.start("kat/demo", **params))
    assert stack.manifest("pairs")["rows"] == 60_001


@pytest.mark.skipif(not shutil.which("faketime"), reason="needs: apt-get install faketime")
def test_a_clock_that_stands_still_gives_every_run_its_seed(stack: Stack) -> None:
    """Debian's faketime, for the flow's process: two runs that begin in the same, long past moment."""
    seeds = set()
    for out in ("first", "second"):
        flow = [sys.executable, "-m", "flows.lambda_terms", "--examples=1000", f"--out=data/out/{out}"]
        subprocess.run(["faketime", "-f", "2001-01-01 00:00:00", *flow], cwd=stack.checkout, env=stack.env, check=True)
        seeds.add(json.loads((stack.checkout / f"data/out/{out}/manifest.json").read_text())["seed"])
    assert len(seeds) == 2
