"""A trainer killed with SIGKILL goes on from its last whole checkpoint to the very same weights."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tasks.training import last_whole_checkpoint

ROOT = Path(__file__).parents[3]


TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def train(kind: str, work: Path, out: Path, kill_at: int = 0, processes: int = 1) -> bool:
    """Whether training came to its end; False where it was killed."""
    launcher = [*TORCHRUN, str(processes)] if processes > 1 else []
    script = str(Path(__file__).with_name("killed_training.py"))
    done = subprocess.run(
        [sys.executable, *launcher, script, kind, work, out, str(kill_at)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
    )
    said = done.stderr.decode()
    assert done.returncode == 0 or (kill_at and (done.returncode == -signal.SIGKILL or "SIGKILL" in said)), said
    return done.returncode == 0


def largest_difference(one: Path, other: Path) -> float:
    first, second = load_file(one), load_file(other)
    assert first.keys() ^ second.keys() <= {"lm_head.weight"}  # tied to the embeddings, which a saved model has once
    return max(float((first[name] - second[name]).abs().max()) for name in first.keys() & second.keys())


@pytest.mark.parametrize(("kind", "processes"), [("sft", 1), ("reward", 1), ("grpo", 1), ("lora", 1), ("grpo", 2)])
def test_a_killed_run_ends_in_the_same_weights_as_an_undisturbed_one(kind: str, processes: int, tmp_path: Path) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    assert train(kind, tmp_path / "calm work", calm, processes=processes)
    assert not train(kind, tmp_path / "killed work", killed, kill_at=5, processes=processes)
    assert not killed.exists()
    resumed_from = last_whole_checkpoint(tmp_path / "killed work")
    assert resumed_from is not None
    assert resumed_from.endswith("checkpoint-4")
    assert train(kind, tmp_path / "killed work", killed, processes=processes)
    for rank in range(processes):
        assert largest_difference(calm / f"{rank}.safetensors", killed / f"{rank}.safetensors") == 0.0
        assert largest_difference(calm / f"{rank}.safetensors", calm / "0.safetensors") == 0.0
    if kind in ("grpo", "lora"):
        assert largest_difference(tmp_path / "calm work/start-0/model.safetensors", calm / "0.safetensors") > 1e-3


def test_a_torn_checkpoint_is_left_for_the_one_before(tmp_path: Path) -> None:
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-2" / ".whole").touch()
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-2")
    assert not (tmp_path / "checkpoint-10").exists()
