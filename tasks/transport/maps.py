"""A map from one side to the other: what it does, and how it is kept in a folder, config.json and model.safetensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from tasks.checkpoints import under
from tasks.errors import InputError, first_line
from tasks.sealed_folders import load_folder, save_folder
from tasks.tables import Floats
from tasks.transport.gaussian import Balance
from tasks.transport.params import Method
from tasks.transport.train import RECIPES, Size, build

FORMAT = "katflow-transport-2"
MODEL, NETWORK = "model.safetensors", "network."
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

    def with_each(self, weights: Sequence[dict[str, torch.Tensor]], x: Floats) -> Iterator[Floats]:
        """x [n, D] as moved with several weights of the network: only what it changes is computed for each."""
        u = self.balance.source(x)
        still, back = self.balance.back(u), self.balance.from_target[: self.rank]
        leading = torch.from_numpy(u[:, : self.rank])
        for some in weights:
            network = replace(self, weights=some)._network()
            assert network
            with torch.no_grad():
                changed = (network(leading)[1] - leading).numpy()
            yield (still + changed @ back).astype(np.float32)

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
    """Write config.json and model.safetensors."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(of)) for name, of in vars(made.balance).items()}
    tensors |= {f"{NETWORK}{name}": of for name, of in (made.weights or {}).items()}
    config = {
        "method": made.name or BURES,
        "hidden_dim": made.dim,
        "size": vars(made.size) if made.size else None,
    }
    save_folder(folder, FORMAT, config, {MODEL: tensors})


def load_map(folder: Path) -> BalancedMap:
    """Read a map. Raises InputError where files are missing, damaged, or not of one map."""
    config, weights = load_folder(folder, FORMAT)
    try:
        return _map(config, weights[MODEL])
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{folder} holds no map of neural_ot that loads ({first_line(error)}). Give the folder map/ of a run."
        ) from None


def _map(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> BalancedMap:
    balance = Balance(**{name: of.numpy() for name, of in tensors.items() if not name.startswith(NETWORK)})
    dimension = config["hidden_dim"]
    if any(of.shape != (dimension,) * of.ndim for of in vars(balance).values()):
        raise ValueError("the moments' shapes are not of hidden_dim")
    if config["method"] == BURES:
        return BalancedMap(balance)
    if config["method"] not in RECIPES:
        raise ValueError(f"no method {config['method']}")
    made = BalancedMap(balance, config["method"], Size(**config["size"]), under(tensors, NETWORK))
    made._network()
    return made
