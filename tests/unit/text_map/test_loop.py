"""The training loop: the same bits after a kill, and no going on with nonsense."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tasks.checkpoints import read_checkpoint
from tasks.errors import TrainingError
from tasks.runtime import torch_threads
from tasks.text_map.loop import TOLD, _order, train
from tests.unit.text_map import killed_learning, killed_loop

ROOT = Path(__file__).parents[3]


def test_a_killed_training_ends_in_the_same_bits(tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("killed_loop.py"))
    killed = subprocess.run(
        [sys.executable, script, tmp_path / "killed", "13"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    found = read_checkpoint(tmp_path / "killed/checkpoint.safetensors", "a")
    assert found
    assert found[0]["step"] == 13
    with torch_threads(1):
        (resumed, losses), (calm, told) = killed_loop.learn(tmp_path / "killed"), killed_loop.learn(tmp_path / "calm")
    assert losses == told
    assert len(losses) == min(TOLD, killed_loop.STEPS)
    for one, other in zip(resumed.state_dict().values(), calm.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("what", ["networks", "writer"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_killed_learner_of_several_phases_ends_in_the_same_bits(what: str, share: float, tmp_path: Path) -> None:
    script = str(Path(killed_learning.__file__))
    killed = subprocess.run(
        [sys.executable, script, what, tmp_path / "killed", str(share)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with torch_threads(1), pytest.MonkeyPatch.context() as patch:
        patch.setitem(train.__kwdefaults__, "every", 0.0)
        resumed, calm = (killed_learning.trained(what, tmp_path / name) for name in ("killed", "calm"))
    for name, tensor in calm.items():
        assert torch.equal(resumed[name], tensor), name


def test_every_row_is_drawn_and_alike_ones_come_together() -> None:
    lengths = torch.arange(100) % 10
    seen: set[int] = set()
    for epoch in range(40):
        order = _order(100, 0, epoch, 8, lengths)
        assert len(order) == len(set(order.tolist())) == 96
        seen |= set(order.tolist())
        spread = [int(lengths[some].max() - lengths[some].min()) for some in order.split(8)]
        assert max(spread) <= 2
    assert seen == set(range(100))
    assert not torch.equal(_order(100, 0, 0, 8, lengths), _order(100, 0, 1, 8, lengths))


def test_training_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    module = nn.Linear(2, 1)
    torch.manual_seed(3)
    train(module, lambda rows: module(torch.ones(len(rows), 2)).square().mean(), 8, batch=4, epochs=2, rate=0.1, seed=0)
    torch.testing.assert_close(torch.rand(4), wanted)


def test_a_loss_that_is_not_finite_ends_training() -> None:
    module = nn.Linear(2, 1)
    with pytest.raises(TrainingError, match=r"The loss is not finite after 1 steps of Linear"):
        train(
            module,
            lambda rows: module(torch.full((len(rows), 2), torch.inf)).sum(),
            8,
            batch=4,
            epochs=1,
            rate=1,
            seed=0,
        )
