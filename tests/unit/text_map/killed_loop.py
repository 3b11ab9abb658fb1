"""A small training that kills its own process in the middle: `python killed_loop.py WORK STEP`."""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from tasks.text_map.loop import train

STEPS = 24


def learn(work: Path, kill_at: int = 0) -> tuple[nn.Module, list[float]]:
    """A network with dropout and two names of one weight; kill_at 0 never kills. Each step leaves a checkpoint."""
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    module = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 8))
    module[3].weight = module[0].weight

    def watch(share: float) -> None:
        if kill_at and round(share * STEPS) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    losses = train(
        module,
        lambda rows: (module(x[rows] + 0.1 * torch.randn(len(rows), 8)) - x[rows].flip(1)).square().mean(),
        len(x),
        batch=8,
        epochs=3,
        rate=1e-2,
        seed=5,
        checkpoint=work / "checkpoint.safetensors",
        identity="a",
        every=0.0,
        show=watch,
    )
    return module, losses


if __name__ == "__main__":
    torch.set_num_threads(1)
    learn(Path(sys.argv[1]), int(sys.argv[2]))
