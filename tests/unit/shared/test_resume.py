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


def train(kind: str, work: Path, out: Path, kill_at: int = 0) -> int:
    command = [sys.executable, str(Path(__file__).with_name("killed_training.py")), kind, work, out, str(kill_at)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, capture_output=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


@pytest.mark.parametrize("kind", ["sft", "reward", "grpo"])
def test_a_killed_run_ends_in_the_same_weights_as_an_undisturbed_one(kind: str, tmp_path: Path) -> None:
    assert train(kind, tmp_path / "calm", tmp_path / "calm.safetensors") == 0
    assert train(kind, tmp_path / "killed", tmp_path / "killed.safetensors", kill_at=5) == -signal.SIGKILL
    assert not (tmp_path / "killed.safetensors").exists()
    resumed_from = last_whole_checkpoint(tmp_path / "killed")
    assert resumed_from is not None
    assert resumed_from.endswith("checkpoint-4")
    assert train(kind, tmp_path / "killed", tmp_path / "killed.safetensors") == 0
    calm, killed = (load_file(tmp_path / f"{name}.safetensors") for name in ("calm", "killed"))
    assert max(float((calm[name] - killed[name]).abs().max()) for name in calm) == 0.0
    assert calm.keys() == killed.keys()


def test_a_torn_checkpoint_is_left_for_the_one_before(tmp_path: Path) -> None:
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-2" / ".whole").touch()
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-2")
    assert not (tmp_path / "checkpoint-10").exists()
