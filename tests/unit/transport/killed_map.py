"""A small training of a map that kills its own process in the middle: `python killed_map.py METHOD WORK OUT STEP`.

STEP 0 never kills. A checkpoint is written after each step.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from tasks.transport.train import Size, steps_budget, train

STEPS = 30


def main(name: str, work: Path, out: Path, kill_at: int) -> None:
    torch.set_num_threads(1)
    drawn = torch.Generator().manual_seed(0)
    source = torch.randn(500, 6, generator=drawn)
    target = source.sign() + source + 0.1 * torch.randn(500, 6, generator=drawn)

    def watch(share: float) -> None:
        if kill_at and round(share * STEPS) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    made = train(
        name,
        source,
        target,
        Size(6, 16, 32, 0.02),
        3,
        steps_budget(STEPS),
        checkpoint=work / "checkpoint.safetensors",
        every=0.0,
        show=watch,
    )
    of_all = {f"{one.step}.{at}": tensor for one in made for at, tensor in one.weights.items()}
    save_file(of_all, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))  # type: ignore[arg-type]
