"""The training loop of all networks here: AdamW, a cosine to zero, and checkpoints from which it goes on exactly.

Every step draws its batch, its noise and its dropout from the seed and its own number, so that a run that was killed
takes the same steps as one that was not.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tasks.checkpoints import optimizer_tensors, read_checkpoint, restore_optimizer, under, write_checkpoint
from tasks.errors import TrainingError
from tasks.sealed_folders import weights_of

SECONDS_BETWEEN_CHECKPOINTS = 30.0
WARM_UP = 0.03
LONGEST_GRADIENT = 1.0
TOLD = 50
SORTED = 50


def train(
    module: nn.Module,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    rows: int,
    *,
    batch: int,
    epochs: int,
    rate: float,
    seed: int,
    weight_decay: float = 0.01,
    lengths: torch.Tensor | None = None,
    checkpoint: Path | None = None,
    identity: str = "",
    every: float = SECONDS_BETWEEN_CHECKPOINTS,
    show: Callable[[float], None] = lambda share: None,
) -> list[float]:
    """Train a module's parameters.

    loss_of: the mean loss of a batch, given by its rows [batch].  rows: how many there are.  lengths: [rows], where
    alike ones are to come together, to pad less.  identity: of what is trained on what; a checkpoint of another is not
    taken up.  every: seconds between checkpoints.
    Returns mean losses of up to `TOLD` equal stretches.  Raises TrainingError where the loss is no longer finite.
    """
    batch = min(batch, rows)
    an_epoch = max(1, rows // batch)
    steps = epochs * an_epoch
    trained = [one for one in module.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=weight_decay, fused=True)
    step, sums = 0, [0.0] * min(TOLD, steps)
    if checkpoint and (found := read_checkpoint(checkpoint, identity)):
        said, tensors = found
        module.load_state_dict(under(tensors, "weight."), strict=False)
        restore_optimizer(optimizer, tensors, "optimizer.")
        step, sums = said["step"], said["sums"]
    module.train()
    saved = time.monotonic()
    order = _order(rows, seed, step // an_epoch, batch, lengths)
    with torch.random.fork_rng():
        while step < steps:
            if step % an_epoch == 0:
                order = _order(rows, seed, step // an_epoch, batch, lengths)
            torch.manual_seed(seed * 1_000_003 + step)
            _set_rate(optimizer, rate, step, steps)
            at = step % an_epoch * batch
            loss = loss_of(order[at : at + batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, LONGEST_GRADIENT)
            optimizer.step()
            value = float(loss.detach())
            if not math.isfinite(value):
                raise TrainingError(
                    f"The loss is not finite after {step + 1} steps of {type(module).__name__}, so the model would be "
                    "of no use. Look for embeddings that are not what their encoder gives."
                )
            sums[step * len(sums) // steps] += value
            step += 1
            if checkpoint and time.monotonic() - saved > every:
                weights = {f"weight.{name}": of for name, of in weights_of(module).items()}
                said = {"step": step, "sums": sums}
                write_checkpoint(checkpoint, identity, said, weights | optimizer_tensors(optimizer, "optimizer."))
                saved = time.monotonic()
            show(step / steps)
    module.eval()
    return [total / of for total, of in zip(sums, _lengths(steps, len(sums)), strict=True)]


def _order(rows: int, seed: int, epoch: int, batch: int, lengths: torch.Tensor | None) -> torch.Tensor:
    """Rows by lot, as many as fill whole batches; with lengths, those of `SORTED` batches are sorted, and the batches
    then come by lot."""
    drawn, whole = torch.Generator().manual_seed(seed * 7_919 + epoch), max(1, rows // batch)
    order = torch.randperm(rows, generator=drawn)[: whole * batch]
    if lengths is None:
        return order
    order = torch.cat([some[lengths[some].argsort(stable=True)] for some in order.split(SORTED * batch)])
    return order.reshape(whole, -1)[torch.randperm(whole, generator=drawn)].flatten()


def _set_rate(optimizer: torch.optim.Optimizer, rate: float, step: int, steps: int) -> None:
    """A linear rise, then a cosine to zero."""
    warm = max(1, round(WARM_UP * steps))
    share = min(1.0, (step + 1) / warm) * (1 + math.cos(math.pi * step / steps)) / 2
    for group in optimizer.param_groups:
        group["lr"] = rate * share


def _lengths(steps: int, stretches: int) -> list[int]:
    found = [0] * stretches
    for step in range(steps):
        found[step * stretches // steps] += 1
    return found
