"""A small training of a map that kills its own process in the middle: `python killed_map.py METHOD WORK STEP`."""

import os
import signal
import sys
from pathlib import Path
from typing import cast

import torch

from tasks.transport.checkpoint import Snapshot
from tasks.transport.params import Method
from tasks.transport.train import Size, steps_budget, train

STEPS = 30


def learn(name: Method, work: Path, kill_at: int = 0) -> list[Snapshot]:
    """kill_at 0 never kills. A checkpoint is written after each step."""
    drawn = torch.Generator().manual_seed(0)
    source = torch.randn(500, 6, generator=drawn)
    target = source.sign() + source + 0.1 * torch.randn(500, 6, generator=drawn)

    def watch(share: float) -> None:
        if kill_at and round(share * STEPS) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    where = work / "checkpoint.safetensors"
    budget = steps_budget(STEPS)
    return train(name, source, target, Size(6, 16, 32, 0.02), 3, budget, checkpoint=where, every=0.0, show=watch)


if __name__ == "__main__":
    torch.set_num_threads(1)
    learn(cast(Method, sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
