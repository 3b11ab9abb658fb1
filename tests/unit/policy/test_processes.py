"""An arm in two processes is the arm of one: its schedule, its groups, its end; and nothing outlives its task."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForSequenceClassification

from tasks.errors import InputError, ProcessDied, TrainingError
from tasks.launch import environment, free_place, train_in_processes
from tasks.models import load_causal_lm, save_model
from tasks.policy.arm import Job, train_arm
from tasks.policy.launch import train_arm_apart, trainers
from tasks.policy.params import PolicyParams
from tasks.policy.rewards import read_seen
from tasks.runtime import torch_threads
from tasks.scratch import small_llama, train_tokenizer

ROOT = Path(__file__).parents[3]
TASK = """
import sys
from pathlib import Path
from tasks.policy.arm import Job
from tasks.policy.launch import train_arm_apart
train_arm_apart(Job.model_validate_json(Path(sys.argv[1]).read_text()), lambda share: None)
"""
Make = Callable[..., Job]


@pytest.fixture(scope="module")
def make_job(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Jobs over six prompts of unequal weight, tiny models and a folder of their own."""
    folder = tmp_path_factory.mktemp("inputs")
    names = [f"p{i}" for i in range(6)]
    texts = [f"say {name}" for name in names]
    tokenizer = train_tokenizer(texts, 300)
    model = small_llama(tokenizer, hidden=16, layers=1, heads=2, positions=64, seed=0)
    save_model(folder / "sft/model", model, tokenizer)
    torch.manual_seed(0)
    model.config.num_labels = 1
    save_model(folder / "reward/model", LlamaForSequenceClassification(model.config), tokenizer)
    accuracy = {"by_source": [{"source": "s", "pairs": 100, "accuracy": 0.9}]}
    (folder / "reward/accuracy.json").write_text(json.dumps(accuracy))
    pl.DataFrame(
        {"id": names, "prompt": texts, "source": "s", "count": 1, "split": "train", "meta": None},
        schema_overrides={"count": pl.Int64, "meta": pl.String},
    ).write_parquet(folder / "prompts.parquet")
    weights = {"id": names, "density": [0.5] * 6, "weight": [0.25, 0.5, 0.75, 1.0, 1.25, 2.25]}
    pl.DataFrame(weights).write_parquet(folder / "weights.parquet")

    def make(name: str, **params: Any) -> Job:
        out = tmp_path_factory.mktemp(name)
        given = {"batch": 16, "generations": 4, "max_completion": 4, "learning_rate": 1e-2, "max_steps": 3, **params}
        if given.get("num_processes", 1) > 1:
            given["launcher"] = "accelerate"
        return Job(
            arm="density",
            prompts=folder / "prompts.parquet",
            weights=folder / "weights.parquet",
            sft=folder / "sft",
            reward=folder / "reward",
            work=out / "work",
            out=out / "policy",
            params=PolicyParams.model_validate(given),
        )

    return make


def processes_of(job: Job) -> list[psutil.Process]:
    """torchrun and its workers that train this job, alive."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        mine = str(job.work / "job.json") in (process.info["cmdline"] or [])
        found += [process] if mine and process.info["status"] != psutil.STATUS_ZOMBIE else []
    return found


def workers_of(job: Job) -> list[psutil.Process]:
    return [p for p in processes_of(job) if "torch.distributed.run" not in p.cmdline()]


def wait(condition: Callable[[], Any]) -> None:
    """Poll until the condition holds; a deadline only turns a hang into a failure."""
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def silent(share: float) -> None:
    pass


def ids(rows: list[dict[str, str]]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("generations", [4, 8])
def test_two_processes_see_the_groups_of_one(generations: int, make_job: Make) -> None:
    one = make_job("one", generations=generations)
    two = make_job("two", generations=generations, num_processes=2)
    with torch_threads(1):
        train_arm(one, silent)
    shares: list[float] = []
    train_arm_apart(two, shares.append)

    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    alone, together = read_seen(one.work), read_seen(two.work)
    assert {step: ids(rows) for step, rows in together.items()} == {step: ids(rows) for step, rows in alone.items()}
    for rows in together.values():
        assert len(rows) == 16
        for start in range(0, 16, generations):
            assert len(set(ids(rows[start : start + generations]))) == 1
    for part in sorted(two.work.glob("seen-*.jsonl")):
        assert [len(json.loads(line)["rows"]) for line in part.read_text().split("\n") if line] == [8, 8, 8]
    tables = [pl.read_parquet(job.out / "schedule.parquet") for job in (one, two)]
    assert tables[0].equals(tables[1])
    assert ((tables[1]["seen"] - tables[1]["expected"]).abs() < 1).all()
    assert tables[1]["seen"].sum() == 3 * 16 / generations
    trained = load_file(two.out / "model/model.safetensors")
    start = load_file(two.sft / "model/model.safetensors")
    assert max(float((trained[name] - start[name]).abs().max()) for name in start) > 1e-3
    assert load_causal_lm(two.out / "model").num_parameters() > 0


def test_an_arm_in_a_process_of_its_own_is_the_same_to_the_last_bit(make_job: Make) -> None:
    here, apart = make_job("here"), make_job("apart", side_by_side=len(os.sched_getaffinity(0)))
    with torch_threads(1):
        train_arm(here, silent)
    train_arm_apart(apart, silent)
    models = [load_file(job.out / "model/model.safetensors") for job in (here, apart)]
    assert all((models[0][name] == models[1][name]).all() for name in models[0])


def test_arms_side_by_side_have_places_of_their_own(tmp_path: Path) -> None:
    with free_place(tmp_path, 2) as first, free_place(tmp_path, 2) as second:
        assert {first, second} == {0, 1}
        with free_place(tmp_path, 2) as third:
            assert third == 0
    with free_place(tmp_path, 2) as again:
        assert again == 0


def test_a_place_holds_its_gpus_and_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    two = PolicyParams(num_processes=2, launcher="accelerate", side_by_side=2)
    given = [environment(trainers("density", two), place) for place in (0, 1)]
    assert [of["CUDA_VISIBLE_DEVICES"] for of in given] == ["4,5", "6,7"]
    assert {of["OMP_NUM_THREADS"] for of in given} == {str(max(1, cores // 4))}
    alone = environment(trainers("density", PolicyParams(launcher="accelerate")), 0)
    assert alone["CUDA_VISIBLE_DEVICES"] == "4"


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    two = trainers("density", PolicyParams(num_processes=2, launcher="accelerate"))
    with pytest.raises(InputError, match=r"2 processes, a GPU each, .*Set num_processes to 1"):
        train_in_processes(two, "{}", tmp_path / "work", silent)


def test_vllm_that_is_not_there_is_one_message(make_job: Make) -> None:
    with pytest.raises(InputError, match=r"--policy.vllm needs a GPU and the package vllm"):
        train_arm(make_job("vllm", vllm=True), silent)


def test_a_killed_task_leaves_no_process_and_a_checkpoint_to_go_on_from(make_job: Make) -> None:
    job = make_job("killed", num_processes=2, max_steps=2000, save_steps=2)
    description = job.out.with_name("description.json")
    description.write_text(job.model_dump_json())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    task = subprocess.Popen([sys.executable, "-c", TASK, str(description)], env=environment)
    wait(lambda: task.poll() is not None or list(job.work.glob("checkpoint-*/.whole")))
    assert task.poll() is None
    assert len(workers_of(job)) == 2
    task.send_signal(signal.SIGKILL)
    task.wait()
    wait(lambda: not processes_of(job))
    assert list(job.work.glob("checkpoint-*/.whole"))


def test_a_cancelled_task_leaves_no_process(make_job: Make) -> None:
    job = make_job("cancelled", num_processes=2, max_steps=2000)

    def cancel(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_arm_apart(job, cancel)
    wait(lambda: not processes_of(job))


def test_the_reason_of_a_process_is_that_of_the_task(make_job: Make, tmp_path: Path) -> None:
    job = make_job("weightless", num_processes=2)
    pl.read_parquet(job.weights).head(3).write_parquet(tmp_path / "few.parquet")
    with pytest.raises(TrainingError, match=r"^Prompt p3 has no weight.*Weigh these prompts again\.$"):
        train_arm_apart(job.model_copy(update={"weights": tmp_path / "few.parquet"}), silent)


def test_a_process_that_is_shot_is_told_of_in_one_message(make_job: Make) -> None:
    job = make_job("shot", num_processes=2, max_steps=2000)

    def shoot(share: float) -> None:
        for worker in workers_of(job)[1:]:
            worker.kill()

    with pytest.raises(
        ProcessDied,
        match=r"One of the 2 processes that train density, without which none can go on, failed \(.*processes\.log",
    ):
        train_arm_apart(job, shoot)
    assert not processes_of(job)
