"""Networks of maps and potentials: (values [n], gradients [n, D]) of points [n, D].

The gradient is written out as a forward computation, so that training differentiates once and not twice. All begin as
the identity (their last weights are 0), which in balanced coordinates is the Gaussian solution, and beyond the first
`rank` coordinates, which fall in variance, they stay it.
"""

import math
from typing import Protocol

import torch
from torch import nn

Point = torch.Tensor
Value = tuple[torch.Tensor, torch.Tensor]


class Network(Protocol):
    """What `train` trains."""

    def __call__(self, u: Point) -> Value: ...


class Potential(nn.Module):
    """f(u) = ½|u|² + MLP(u₁ … u_rank), three hidden layers with SiLU. Its gradient is a gradient, convex or not."""

    def __init__(self, rank: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weights = nn.ParameterList(_drawn(size, generator) for size in _sizes(rank, hidden))
        self.biases = nn.ParameterList(torch.zeros(hidden) for _ in self.weights)
        self.last = nn.Parameter(torch.zeros(hidden))

    def forward(self, u: Point) -> Value:
        a, slopes = _hidden_layers(_led(u, self.weights[0]), self.weights, self.biases)
        value = a @ self.last + 0.5 * u.square().sum(1)
        back = slopes[-1] * self.last
        for weight, slope in zip(reversed(list(self.weights)[1:]), reversed(slopes[:-1]), strict=True):
            back = (back @ weight) * slope
        return value, u + _filled(back @ self.weights[0], u)


class VectorMap(nn.Module):
    """T(u) = u + MLP(u₁ … u_rank), of the same size: a map that need not be a gradient. Its values are 0."""

    def __init__(self, rank: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weights = nn.ParameterList(_drawn(size, generator) for size in _sizes(rank, hidden))
        self.biases = nn.ParameterList(torch.zeros(hidden) for _ in self.weights)
        self.last = nn.Parameter(torch.zeros(rank, hidden))

    def forward(self, u: Point) -> Value:
        a, _ = _hidden_layers(_led(u, self.weights[0]), self.weights, self.biases)
        return torch.zeros(len(u)), u + _filled(a @ self.last.t(), u)


class ConvexPotential(nn.Module):
    """f(u) = ½ Σ q u² + ICNN(u₁ … u_rank), q ≥ 0: convex (Amos, Xu & Kolter 2017; the dense form with CELU of
    Korotin et al. 2021). `project` puts weights that must not be negative back to 0 after a step."""

    def __init__(self, rank: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.quadratic = nn.Parameter(torch.ones(rank))
        self.inputs = nn.ParameterList(_drawn((rank, hidden), generator) for _ in range(3))
        self.biases = nn.ParameterList(torch.zeros(hidden) for _ in range(3))
        self.between = nn.ParameterList(_drawn((hidden, hidden), generator).abs() for _ in range(2))
        self.last = nn.Parameter(torch.zeros(hidden))

    def forward(self, u: Point) -> Value:
        led = _led(u, self.inputs[0])
        z, slopes = torch.empty(0), []
        for at, (weight, bias) in enumerate(zip(self.inputs, self.biases, strict=True)):
            h = torch.addmm(bias, led, weight.t())
            h = h + z @ self.between[at - 1].t() if at else h
            z = nn.functional.celu(h)
            slopes.append(torch.exp(h.clamp(max=0)))
        value = z @ self.last + 0.5 * (led.square() @ self.quadratic) + 0.5 * (u.square().sum(1) - led.square().sum(1))
        back = slopes[2] * self.last
        moved = back @ self.inputs[2] + led * (self.quadratic - 1)
        for at in (1, 0):
            back = (back @ self.between[at]) * slopes[at]
            moved = moved + back @ self.inputs[at]
        return value, u + _filled(moved, u)

    @torch.no_grad()
    def project(self) -> None:
        for weight in (self.quadratic, *self.between, self.last):
            weight.clamp_(min=0)


def _hidden_layers(
    a: torch.Tensor, weights: nn.ParameterList, biases: nn.ParameterList
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The last layer's activations [n, hidden], and every layer's slopes."""
    slopes = []
    for weight, bias in zip(weights, biases, strict=True):
        h = torch.addmm(bias, a, weight.t())
        s = torch.sigmoid(h)
        a = h * s
        slopes.append(s + a * (1 - s))
    return a, slopes


def _sizes(rank: int, hidden: int) -> list[tuple[int, int]]:
    return [(rank, hidden), (hidden, hidden), (hidden, hidden)]


def _drawn(size: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    inputs, outputs = size
    return (torch.rand(outputs, inputs, generator=generator) * 2 - 1) / math.sqrt(inputs)


def _led(u: Point, weight: torch.Tensor) -> Point:
    return u[:, : weight.shape[1]]


def _filled(moved: torch.Tensor, u: Point) -> torch.Tensor:
    """Zeros for the coordinates beyond the rank."""
    return nn.functional.pad(moved, (0, u.shape[1] - moved.shape[1]))
