"""A reducer that two processes train is the one that a plain loop trains by the mean of two batches' losses."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tasks.errors import InputError
from tasks.reducer.corpus import judged_terms, row_groups
from tasks.reducer.folder import Learnt, load_reducer
from tasks.reducer.learn import LONGEST_GRADIENT, rate_share
from tasks.reducer.params import LearningParams
from tasks.reducer.stream import Place, Stream
from tasks.reducer.train import Job, begun, train_apart
from tasks.runtime import bf16_products, torch_threads
from tests.stack import wait

ROOT = Path(__file__).parents[3]
KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.reducer.train import Job, train_apart

def show(share):
    if share > 0.4:
        os.kill(os.getpid(), signal.SIGKILL)

train_apart(Job.model_validate_json(Path(sys.argv[1]).read_text()), show)
"""
PARAMS = LearningParams(width=16, layers=3, steps=6, characters=500, rate=1e-2, num_processes=2)


def job(corpus: Path, folder: Path) -> Job:
    work, out = folder / "work", folder / "out"
    return Job(data=corpus, old=None, excluded=[], start=None, work=work, out=out, params=PARAMS)


def trained_plainly(corpus: Path) -> Learnt:
    """Two batches a step, one after the other."""
    made = begun(None, PARAMS)
    stream = Stream(row_groups(corpus / "train"), [], 0.0, judged_terms([corpus]), PARAMS.characters, PARAMS.seed)
    batches = stream.batches(Place())
    optimizer = torch.optim.AdamW(made.parameters(), lr=PARAMS.rate, weight_decay=0.01, fused=True)
    with torch_threads(1), bf16_products():
        for step in range(PARAMS.steps):
            for group in optimizer.param_groups:
                group["lr"] = PARAMS.rate * rate_share(step, PARAMS.steps)
            optimizer.zero_grad()
            for _ in range(2):
                (made(*made.tensors(next(batches)[1])) / 2).backward()
            nn.utils.clip_grad_norm_(made.parameters(), LONGEST_GRADIENT)
            optimizer.step()
    return made


def test_two_processes_learn_what_one_learns_of_both_batches(corpus: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    train_apart(job(corpus, tmp_path), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    together, plain = load_reducer(tmp_path / "out/model").state_dict(), trained_plainly(corpus).state_dict()
    for name, of in plain.items():
        torch.testing.assert_close(together[name], of, rtol=1e-3, atol=1e-4)


def test_two_killed_processes_go_on_to_the_same_bits(corpus: Path, tmp_path: Path) -> None:
    killed, calm = (job(corpus, tmp_path / name).model_copy(update={"every": 0.0}) for name in ("killed", "calm"))
    killed.work.mkdir(parents=True)
    description = killed.work / "description.json"
    description.write_text(killed.model_dump_json())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    task = subprocess.run([sys.executable, "-c", KILLED, str(description)], env=environment, check=False)
    assert task.returncode == -signal.SIGKILL
    wait(lambda: not processes_of(killed))
    assert (killed.work / "checkpoint.safetensors").exists()
    assert not killed.out.exists()
    shares: list[float] = []
    train_apart(killed, shares.append)
    assert shares[0] > 0.3
    train_apart(calm, lambda share: None)
    resumed, wanted = (load_reducer(one.out / "model").state_dict() for one in (killed, calm))
    for name, of in wanted.items():
        assert torch.equal(resumed[name], of), name


def processes_of(one: Job) -> list[str]:
    """Those that train it, by their command lines."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_text())
    return [line for line in lines if str(one.work / "job.json") in line]


def test_the_reason_of_a_process_is_that_of_the_task(corpus: Path, tmp_path: Path) -> None:
    nowhere = job(tmp_path / "nowhere", tmp_path)
    with pytest.raises(InputError, match=r"^.*nowhere/train holds no rows of flows\.lambda_terms"):
        train_apart(nowhere, lambda share: None)
    assert not (tmp_path / "out").exists()
