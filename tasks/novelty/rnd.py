"""Random network distillation (Burda et al. 2018, arXiv 1810.12894) on stored vectors, many networks at once.

A frozen network with random weights maps vectors somewhere; another learns to imitate it on what is known. Where it
fails, the input is unlike what was learnt. Networks of one shape stand in stacked weights [E, in, out] and train
together by batched products; each has its own seed, order and error, so that a member is what it would be alone.
"""

import itertools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tasks.errors import InputError
from tasks.tables import Floats

Dtype = Literal["float32", "bfloat16"]
Layers = tuple[int, ...]


class Stacked(nn.Module):
    """E perceptrons of one shape with ReLU between layers: [E, n, layers[0]] → [E, n, layers[-1]].

    Weights are He's (normal, variance 2 / inputs), biases 0, each member's from its own seed.
    """

    def __init__(self, layers: Layers, seeds: Sequence[int], stream: int) -> None:
        super().__init__()
        sizes = list(itertools.pairwise(layers))
        generators = [torch.Generator().manual_seed(2 * seed + stream) for seed in seeds]
        drawn = [[_he(size, generator) for size in sizes] for generator in generators]
        self.weights = nn.ParameterList(torch.stack(of) for of in zip(*drawn, strict=True))
        self.biases = nn.ParameterList(torch.zeros(len(seeds), 1, out) for _, out in sizes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for at, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, torch.relu(x) if at else x, weight)
        return x


class RNDModule(nn.Module):
    """Frozen targets and the predictors that learn to imitate them, one pair for each seed.

    The sizes after the input's; both lists must end alike.
    """

    def __init__(
        self,
        input_size: int,
        target_layers: Layers = (256, 128, 64),
        predictor_layers: Layers = (512, 256, 64),
        seeds: Sequence[int] = (0,),
    ) -> None:
        super().__init__()
        if target_layers[-1] != predictor_layers[-1]:
            raise InputError(
                f"target-layers end in {target_layers[-1]} and predictor-layers in {predictor_layers[-1]}: the one "
                "imitates the other, so their outputs must have one size."
            )
        self.target = Stacked((input_size, *target_layers), seeds, 0).requires_grad_(False)
        self.predictor = Stacked((input_size, *predictor_layers), seeds, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Squared errors [E, n] of vectors [E, n, D], means over outputs: the novelty."""
        return (self.predictor(x) - self.target(x)).square().mean(dim=2)


def train_rnd(
    model: RNDModule,
    emb: Floats,
    seeds: Sequence[int],
    *,
    epochs: int,
    learning_rate: float,
    batch: int,
    dtype: Dtype = "float32",
    show: Callable[[float], None] = lambda share: None,
) -> NDArray[np.float64]:
    """Train each predictor on its own vectors with Adam; the mean loss of each epoch, [E, epochs].

    emb: [E, n, D].  seeds: [E], of the order in which a member meets its rows.  dtype: bfloat16 multiplies in it, from
    and into float32 weights; targets are float32 always, and computed once.

    Raises InputError where training diverges.
    """
    x = _checked(model, emb)
    with torch.no_grad():
        targets = model.target(x)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    optimizer = torch.optim.Adam(model.predictor.parameters(), lr=learning_rate, fused=True)
    members = torch.arange(len(seeds))[:, None]
    rows_each = x.shape[1]
    losses = np.empty((len(seeds), epochs))
    for epoch in range(epochs):
        order = torch.stack([torch.randperm(rows_each, generator=generator) for generator in generators])
        total = torch.zeros(len(seeds))
        for rows in order.split(batch, dim=1):
            with _computing_in(dtype):
                said = model.predictor(x[members, rows])
            loss = (said.float() - targets[members, rows]).square().mean(dim=(1, 2))
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            total += loss.detach() * rows.shape[1]
        losses[:, epoch] = total.numpy() / rows_each
        show((epoch + 1) / epochs)
    if not np.isfinite(losses).all():
        raise InputError(
            f"Training diverged with learning_rate {learning_rate:g}: losses are not finite, so there are no scores. "
            "Lower it."
        )
    return losses


def test_rnd(model: RNDModule, emb: Floats) -> NDArray[np.float64]:
    """Novelty of vectors [E, n, D] by each member, [E, n]; higher is more novel.

    Raises InputError, as `train_rnd` does, for vectors of another shape than the networks', or not finite.
    """
    with torch.inference_mode():
        return model(_checked(model, emb)).double().numpy()


test_rnd.__test__ = False  # type: ignore[attr-defined]  # pytest takes the name for a test's


def _checked(model: RNDModule, emb: Floats) -> torch.Tensor:
    members, size, _ = model.target.weights[0].shape
    if emb.ndim != 3 or (emb.shape[0], emb.shape[2]) != (members, size):
        raise InputError(
            f"Vectors of shape {list(emb.shape)} were given to {members} networks of {size} inputs: they take "
            f"[{members}, rows, {size}]. Were they encoded with another model?"
        )
    if not np.isfinite(emb).all():
        raise InputError("A vector is not finite, so no distance to it is. Encode its row again or leave it out.")
    return torch.from_numpy(np.ascontiguousarray(emb, dtype=np.float32))


def _he(size: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(size, generator=generator) * (2 / size[0]) ** 0.5


def _computing_in(dtype: Dtype) -> Any:
    """Autocast of the forward alone; its cache of weights would outlive a step."""
    return torch.autocast("cpu", torch.bfloat16, cache_enabled=False) if dtype == "bfloat16" else nullcontext()
