"""The state of a training of maps, and its checkpoint."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from tasks.checkpoints import Tensors, optimizer_tensors, read_checkpoint, restore_optimizer, under, write_checkpoint


@dataclass(frozen=True)
class Snapshot:
    """The averaged map in the middle of training."""

    step: int
    seconds: float
    """CPU seconds of training so far, those before a kill included."""
    weights: dict[str, torch.Tensor]


@dataclass
class State:
    """All that decides how training goes on."""

    networks: list[nn.Module]
    averages: list[list[torch.Tensor]]
    """Of each network's parameters."""
    optimizers: list[list[torch.optim.Optimizer]]
    """Of each network."""
    step: int = 0
    seconds: float = 0.0
    snapshots: list[Snapshot] = field(default_factory=list)


def save_state(state: State, path: Path, identity: str) -> None:
    times = [[snapshot.step, snapshot.seconds] for snapshot in state.snapshots]
    said = {"step": state.step, "seconds": state.seconds, "snapshots": times}
    write_checkpoint(path, identity, said, _tensors(state))


def take_up(state: State, path: Path, identity: str) -> None:
    """Go on from a checkpoint, where there is a whole one of the same training."""
    found = read_checkpoint(path, identity)
    if found is None:
        return
    said, read = found
    for at, (network, average, optimizers) in enumerate(
        zip(state.networks, state.averages, state.optimizers, strict=True)
    ):
        with torch.no_grad():
            for number, (weight, mean) in enumerate(zip(network.parameters(), average, strict=True)):
                weight.copy_(read[f"weight.{at}.{number}"])
                mean.copy_(read[f"average.{at}.{number}"])
        for which, optimizer in enumerate(optimizers):
            restore_optimizer(optimizer, read, f"optimizer.{at}.{which}.")
    state.step, state.seconds = said["step"], said["seconds"]
    for number, (step, seconds) in enumerate(said["snapshots"]):
        state.snapshots.append(Snapshot(step, seconds, under(read, f"snapshot.{number}.")))


def _tensors(state: State) -> Tensors:
    found: Tensors = {}
    for at, (network, average) in enumerate(zip(state.networks, state.averages, strict=True)):
        found |= {f"weight.{at}.{number}": of.detach() for number, of in enumerate(network.parameters())}
        found |= {f"average.{at}.{number}": of for number, of in enumerate(average)}
    for at, optimizers in enumerate(state.optimizers):
        for which, optimizer in enumerate(optimizers):
            found |= optimizer_tensors(optimizer, f"optimizer.{at}.{which}.")
    for number, snapshot in enumerate(state.snapshots):
        found |= {f"snapshot.{number}.{name}": of for name, of in snapshot.weights.items()}
    return found
