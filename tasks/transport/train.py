"""Neural optimal transport between balanced samples: expectile-regularised (ENOT), plain minimax, input-convex.

The dual of the squared cost: minimise over g  E g(y) + E max_T (⟨x, T(x)⟩ − g(T(x))). One network gives the map T, one
the potential g; they move in turn.

enot  Buzun et al. 2024 (arXiv 2403.03777): T = ∇f, both ways at once (f is the potential of the way back), and g is
      held to ⟨x, y⟩ − g(y) ≤ ⟨x, T(x)⟩ − g(T(x)) by the expectile of τ = 1: what violates it counts squared.
mmr   Korotin et al. 2021's plain minimax (MM:R): T is any vector map, nothing holds g.
icnn  Makkuva et al. 2020: T = ∇f, f and g input-convex, weights clipped.

Departures: coordinates are balanced and networks begin as the identity, so all three begin at the Gaussian solution.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from tasks.errors import TrainingError
from tasks.transport.potentials import ConvexPotential, Potential, VectorMap

Name = Literal["enot", "mmr", "icnn"]
Budget = Callable[[int], float]
"""Share of the training done when so many steps are."""
Show = Callable[[float], None]

EXPECTILE = 0.5
EMA = 0.995
BETAS = (0.9, 0.99)
LAST_RATE = 0.01
"""Of the learning rate, to which it falls by a cosine."""
SNAPSHOTS = 10
SECONDS_BETWEEN_CHECKPOINTS = 30.0


@dataclass(frozen=True)
class Method:
    map: type[nn.Module]
    potential: type[nn.Module]
    both_ways: bool = False
    expectile: float = 0.0
    map_steps: int = 1
    """Of the map for one of the potential."""


METHODS: dict[Name, Method] = {
    "enot": Method(Potential, Potential, both_ways=True, expectile=EXPECTILE),
    "mmr": Method(VectorMap, Potential, map_steps=4),
    "icnn": Method(ConvexPotential, ConvexPotential, map_steps=4),
}


@dataclass(frozen=True)
class Size:
    rank: int
    hidden: int
    batch: int
    rate: float

    @classmethod
    def of(cls, dimension: int, largest_rank: int, batch: int, rate: float) -> "Size":
        rank = min(dimension, largest_rank)
        return cls(rank, max(2 * rank, 128), batch, rate)


@dataclass(frozen=True)
class Snapshot:
    """The averaged map in the middle of training."""

    step: int
    seconds: float
    """CPU seconds of the process so far, those before a kill included."""
    weights: dict[str, torch.Tensor]


@dataclass
class _State:
    """All that decides how training goes on."""

    networks: list[nn.Module]
    averages: list[list[torch.Tensor]]
    optimizers: list[torch.optim.Adam]
    step: int = 0
    seconds: float = 0.0
    snapshots: list[Snapshot] = field(default_factory=list)


def steps_budget(steps: int) -> Budget:
    return lambda done: done / steps


def cpu_budget(seconds: float) -> Budget:
    """By the process's CPU clock from now on: for comparisons at equal cost, not to be repeated exactly."""
    begun = time.process_time()
    return lambda done: (time.process_time() - begun) / seconds


def build(method: Method, size: Size, seed: int) -> list[nn.Module]:
    generator = torch.Generator().manual_seed(seed)
    return [kind(size.rank, size.hidden, generator) for kind in (method.map, method.potential)]


def train(
    name: Name,
    source: torch.Tensor,
    target: torch.Tensor,
    size: Size,
    seed: int,
    budget: Budget,
    *,
    checkpoint: Path | None = None,
    show: Show = lambda share: None,
) -> list[Snapshot]:
    """Train a map of source to target, [n, D] and [m, D] float32 in balanced coordinates.

    Returns the averaged map's weights at `SNAPSHOTS` times, the last at the end. Batches depend on seed and step only,
    so a run that was killed goes on from its checkpoint as if it had not been.
    Raises TrainingError where a loss is no longer finite.
    """
    method = METHODS[name]
    state = _begun(method, size, seed)
    if checkpoint:
        _take_up(state, checkpoint, identity := _identity(name, size, seed, source, target))
    begun, before = time.process_time(), state.seconds
    saved = time.monotonic()
    while (share := budget(state.step)) < 1:
        _set_rate(state, size.rate, share)
        loss = _step(method, state, source, target, size.batch, seed)
        state.step += 1
        _average(state)
        state.seconds = before + time.process_time() - begun
        if not math.isfinite(loss):
            raise TrainingError(
                f"{name}: the loss is not finite after {state.step} steps, so the map would be of no use. Lower "
                "learning_rate."
            )
        if share >= (len(state.snapshots) + 1) / SNAPSHOTS:
            state.snapshots.append(_snapshot(state))
        if checkpoint and time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            _save(state, checkpoint, identity)
            saved = time.monotonic()
        show(share)
    return [*state.snapshots[: SNAPSHOTS - 1], _snapshot(state)]


def _step(
    method: Method, state: _State, source: torch.Tensor, target: torch.Tensor, batch: int, seed: int
) -> float:
    drawn = torch.Generator().manual_seed(seed * 1_000_003 + state.step)
    ways = [(0, 1, source, target), (1, 0, target, source)]
    loss = 0.0
    for at, other, here, there in ways if method.both_ways else ways[:1]:
        for number in range(method.map_steps):
            x, y = (side[torch.randint(len(side), (batch,), generator=drawn)] for side in (here, there))
            both = number == method.map_steps - 1
            loss += _move(method, state, at, other, x, y, both)
    return loss


def _move(
    method: Method, state: _State, at: int, other: int, x: torch.Tensor, y: torch.Tensor, both: bool
) -> float:
    """One step of the map at x; where `both`, one of the other side's potential too, from the same evaluation."""
    network, potential = state.networks[at], state.networks[other]
    _, moved = network(x)
    held = moved.detach()
    values, slopes = potential(torch.cat([held, y]) if both else held)
    of_map = ((slopes[: len(x)].detach() - x) * moved).sum(1).mean()
    of_map.backward(inputs=list(network.parameters()))
    loss = float(of_map.detach())
    if both:
        at_held, at_y = values[: len(x)], values[len(x) :]
        conjugate = (x * held).sum(1) - at_held
        dual = at_y.mean() + conjugate.mean()
        if method.expectile:
            dual = dual + method.expectile * torch.relu((x * y).sum(1) - conjugate - at_y).square().mean()
        dual.backward(inputs=list(potential.parameters()))
        loss += float(dual.detach())
    for changed in (at, other) if both else (at,):
        state.optimizers[changed].step()
        state.optimizers[changed].zero_grad()
        if isinstance(state.networks[changed], ConvexPotential):
            state.networks[changed].project()
    return loss


def _begun(method: Method, size: Size, seed: int) -> _State:
    networks = build(method, size, seed)
    averages = [[one.detach().clone() for one in network.parameters()] for network in networks]
    optimizers = [torch.optim.Adam(one.parameters(), lr=size.rate, betas=BETAS, fused=True) for one in networks]
    return _State(networks, averages, optimizers)


def _set_rate(state: _State, rate: float, share: float) -> None:
    for optimizer in state.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * (LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * share)) / 2)


def _average(state: _State) -> None:
    """An exponential moving average, of all so far at first."""
    kept = min(EMA, state.step / (state.step + 9))
    for network, average in zip(state.networks, state.averages, strict=True):
        torch._foreach_lerp_(average, [one.detach() for one in network.parameters()], 1 - kept)


def _snapshot(state: _State) -> Snapshot:
    names = [name for name, _ in state.networks[0].named_parameters()]
    weights = {name: of.clone() for name, of in zip(names, state.averages[0], strict=True)}
    return Snapshot(state.step, state.seconds, weights)


def _identity(name: str, size: Size, seed: int, *sides: torch.Tensor) -> str:
    return json.dumps([name, vars(size), seed, [list(side.shape) for side in sides]])


def _tensors(state: _State) -> dict[str, torch.Tensor]:
    """Of networks, averages and Adam's moments, to be read and written in place."""
    found = {}
    for at, (network, average, optimizer) in enumerate(
        zip(state.networks, state.averages, state.optimizers, strict=True)
    ):
        for number, weight in enumerate(network.parameters()):
            of = optimizer.state[weight]
            if not of:  # fused Adam makes these at its first step
                of |= {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(weight)}
                of["exp_avg_sq"] = torch.zeros_like(weight)
            found |= {f"{at}.{number}.weight": weight.detach(), f"{at}.{number}.average": average[number]}
            found |= {f"{at}.{number}.{kind}": of[kind] for kind in ("step", "exp_avg", "exp_avg_sq")}
    return found


def _save(state: _State, checkpoint: Path, identity: str) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    fresh = checkpoint.with_suffix(".tmp")
    taken = {
        f"snapshot.{number}.{name}": weight
        for number, snapshot in enumerate(state.snapshots)
        for name, weight in snapshot.weights.items()
    }
    times = [[snapshot.step, snapshot.seconds] for snapshot in state.snapshots]
    said = {"identity": identity, "step": state.step, "seconds": state.seconds, "snapshots": times}
    save_file(_tensors(state) | taken, fresh, metadata={"state": json.dumps(said)})
    fresh.replace(checkpoint)


def _take_up(state: _State, checkpoint: Path, identity: str) -> None:
    """Go on from a checkpoint, where a whole one of the same training is."""
    try:
        with safe_open(checkpoint, "pt") as file:
            said = json.loads(file.metadata()["state"])
            if said["identity"] != identity:
                return
            read = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118: no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return
    for name, tensor in _tensors(state).items():
        tensor.copy_(read[name])
    state.step, state.seconds = said["step"], said["seconds"]
    names = [name for name, _ in state.networks[0].named_parameters()]
    for number, (step, seconds) in enumerate(said["snapshots"]):
        weights = {name: read[f"snapshot.{number}.{name}"] for name in names}
        state.snapshots.append(Snapshot(step, seconds, weights))
