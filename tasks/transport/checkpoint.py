"""The state of a training of maps, and its checkpoint: one safetensors file, from which training goes on exactly."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn


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
    """Write a checkpoint aside, then put it in the last one's place: a kill costs one interval, never the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    times = [[snapshot.step, snapshot.seconds] for snapshot in state.snapshots]
    said = {"identity": identity, "step": state.step, "seconds": state.seconds, "snapshots": times}
    save_file(_tensors(state), fresh, metadata={"state": json.dumps(said)})
    fresh.replace(path)


def take_up(state: State, path: Path, identity: str) -> None:
    """Go on from a checkpoint, where there is a whole one of the same training."""
    try:
        with safe_open(path, "pt") as file:
            said = json.loads(file.metadata()["state"])
            if said["identity"] != identity:
                return
            read = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return
    for at, (network, average, optimizers) in enumerate(
        zip(state.networks, state.averages, state.optimizers, strict=True)
    ):
        with torch.no_grad():
            for number, (weight, mean) in enumerate(zip(network.parameters(), average, strict=True)):
                weight.copy_(read[f"weight.{at}.{number}"])
                mean.copy_(read[f"average.{at}.{number}"])
        for which, optimizer in enumerate(optimizers):
            optimizer.load_state_dict(_optimizer_state(optimizer, read, f"optimizer.{at}.{which}."))
    state.step, state.seconds = said["step"], said["seconds"]
    for number, (step, seconds) in enumerate(said["snapshots"]):
        state.snapshots.append(Snapshot(step, seconds, _under(read, f"snapshot.{number}.")))


def _tensors(state: State) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for at, (network, average) in enumerate(zip(state.networks, state.averages, strict=True)):
        found |= {f"weight.{at}.{number}": of.detach() for number, of in enumerate(network.parameters())}
        found |= {f"average.{at}.{number}": of for number, of in enumerate(average)}
    for at, optimizers in enumerate(state.optimizers):
        for which, optimizer in enumerate(optimizers):
            for number, of in optimizer.state_dict()["state"].items():
                found |= {f"optimizer.{at}.{which}.{number}.{key}": tensor for key, tensor in of.items()}
    for number, snapshot in enumerate(state.snapshots):
        found |= {f"snapshot.{number}.{name}": of for name, of in snapshot.weights.items()}
    return found


def _optimizer_state(optimizer: torch.optim.Optimizer, read: dict[str, torch.Tensor], prefix: str) -> dict[str, Any]:
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _under(read, prefix).items():
        number, _, key = name.partition(".")
        kept.setdefault(int(number), {})[key] = tensor
    return {"state": kept, "param_groups": optimizer.state_dict()["param_groups"]}


def _under(read: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in read.items() if name.startswith(prefix)}
