"""A map from one side to the other: what it does, and how it is kept in a folder, config.json and model.safetensors."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tasks.errors import InputError
from tasks.tables import Floats
from tasks.transport.gaussian import Balance
from tasks.transport.params import Method
from tasks.transport.train import RECIPES, Size, build

FORMAT = "katflow-transport-1"
BLOCK = 4096
BURES = "bures"


class Map(Protocol):
    """[n, D] float32 of the source to the target."""

    def __call__(self, x: Floats) -> Floats: ...


@dataclass(frozen=True)
class BalancedMap:
    """To balanced coordinates, through a network, and back; without a network the Bures map."""

    balance: Balance
    name: Method | None = None
    size: Size | None = None
    weights: dict[str, torch.Tensor] | None = None

    def __call__(self, x: Floats) -> Floats:
        moved = np.empty(x.shape, dtype=np.float32)
        network = self._network()
        for start in range(0, len(x), BLOCK):
            u = self.balance.source(x[start : start + BLOCK])
            if network is not None:
                with torch.no_grad():
                    u[:, : self.rank] = network(torch.from_numpy(u[:, : self.rank]))[1].numpy()
            moved[start : start + BLOCK] = self.balance.back(u)
        return moved

    @property
    def dim(self) -> int:
        return len(self.balance.source_mean)

    @property
    def rank(self) -> int:
        """Coordinates that the network moves; the others it leaves to the Bures map."""
        return self.size.rank if self.size else 0

    def _network(self) -> torch.nn.Module | None:
        if self.name is None or self.size is None or self.weights is None:
            return None
        network = build(self.name, self.size, 0)[0]
        network.load_state_dict(self.weights)
        return network


def save_map(folder: Path, made: BalancedMap) -> None:
    """Write config.json, with the weights' hash, and model.safetensors."""
    folder.mkdir(parents=True)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(of)) for name, of in vars(made.balance).items()}
    tensors |= {f"network.{name}": of.contiguous() for name, of in (made.weights or {}).items()}
    save_file(tensors, folder / "model.safetensors")
    config = {
        "format": FORMAT,
        "method": made.name or BURES,
        "hidden_dim": made.dim,
        "size": vars(made.size) if made.size else None,
        "sha256": _sha256(folder / "model.safetensors"),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))


def load_map(folder: Path) -> BalancedMap:
    """Read a map. Raises InputError where files are missing, damaged, or not of one map."""
    try:
        config = json.loads((folder / "config.json").read_text())
        if config.get("format") != FORMAT:
            raise InputError(f"{folder} is of format {config.get('format')!r}, not {FORMAT}: give a map of neural_ot.")
        if _sha256(folder / "model.safetensors") != config["sha256"]:
            raise InputError(
                f"{folder}/model.safetensors is not what config.json vouches for, so its map could be anything. Copy "
                "the whole folder again, or train it again."
            )
        return _map(config, load_file(folder / "model.safetensors"))
    except InputError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{folder} holds no map of neural_ot that loads ({str(error).splitlines()[0]}). Give the folder map/ of a "
            "run, whole."
        ) from None


def _map(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> BalancedMap:
    network = {name.removeprefix("network."): of for name, of in tensors.items() if name.startswith("network.")}
    balance = Balance(**{name: of.numpy() for name, of in tensors.items() if not name.startswith("network.")})
    dimension = config["hidden_dim"]
    if any(of.shape != (dimension,) * of.ndim for of in vars(balance).values()):
        raise ValueError("the moments' shapes are not of hidden_dim")
    if config["method"] == BURES:
        return BalancedMap(balance)
    if config["method"] not in RECIPES:
        raise ValueError(f"no method {config['method']}")
    made = BalancedMap(balance, config["method"], Size(**config["size"]), network)
    made._network()
    return made


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
