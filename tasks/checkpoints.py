"""Checkpoints of our own training loops: one safetensors file, from which training goes on exactly.

They lie in a task's own work folder, and one of another training (another identity) is not taken up.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

Tensors = dict[str, torch.Tensor]


def write_checkpoint(path: Path, identity: str, said: Mapping[str, Any], tensors: Tensors) -> None:
    """Write it aside, then put it in the last one's place: a kill costs one interval, never the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    save_file(tensors, fresh, metadata={"state": json.dumps({**said, "identity": identity})})
    fresh.replace(path)


def read_checkpoint(path: Path, identity: str) -> tuple[dict[str, Any], Tensors] | None:
    """What was written, where there is a whole one of the same training."""
    try:
        with safe_open(path, "pt") as file:
            said = json.loads(file.metadata()["state"])
            if said["identity"] != identity:
                return None
            return said, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> Tensors:
    """All that an optimizer remembers of its parameters."""
    remembered = optimizer.state_dict()["state"]
    return {f"{prefix}{number}.{key}": of for number, held in remembered.items() for key, of in held.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors, prefix: str) -> None:
    """Give it back what `optimizer_tensors` took."""
    remembered: dict[int, Tensors] = {}
    for name, tensor in under(tensors, prefix).items():
        number, _, key = name.partition(".")
        remembered.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": remembered, "param_groups": optimizer.state_dict()["param_groups"]})


def under(tensors: Tensors, prefix: str) -> Tensors:
    """Those whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
