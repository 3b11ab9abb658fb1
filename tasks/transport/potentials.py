"""Networks of maps and potentials: (values [n], gradients [n, D]) of points [n, D].

The gradient is written out as a forward computation, so that training differentiates once and not twice. All begin as
the identity (their last weights are 0), which in balanced coordinates is the Gaussian solution.
"""

import math

import torch
from torch import nn

Value = tuple[torch.Tensor, torch.Tensor]


class Potential(nn.Module):
    """f(u) = ½|u|² + MLP(u), three hidden layers with SiLU. Its gradient is a gradient, convex or not."""

    def __init__(self, rank: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weights = nn.ParameterList(_drawn(size, generator) for size in _sizes(rank, hidden))
        self.biases = nn.ParameterList(torch.zeros(hidden) for _ in self.weights)
        self.last = nn.Parameter(torch.zeros(hidden))

    def forward(self, u: torch.Tensor) -> Value:
        a, slopes = _hidden_layers(u, self.weights, self.biases)
        value = a @ self.last + 0.5 * u.square().sum(1)
        back = slopes[-1] * self.last
        for weight, slope in zip(reversed(list(self.weights)[1:]), reversed(slopes[:-1]), strict=True):
            back = (back @ weight) * slope
        return value, u + back @ self.weights[0]


class VectorMap(nn.Module):
    """T(u) = u + MLP(u), of the same size: a map that need not be a gradient. Its values are 0."""

    def __init__(self, rank: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weights = nn.ParameterList(_drawn(size, generator) for size in _sizes(rank, hidden))
        self.biases = nn.ParameterList(torch.zeros(hidden) for _ in self.weights)
        self.last = nn.Parameter(torch.zeros(rank, hidden))

    def forward(self, u: torch.Tensor) -> Value:
        a, _ = _hidden_layers(u, self.weights, self.biases)
        return torch.zeros(len(u)), u + a @ self.last.t()


class ConvexPotential(nn.Module):
    """f(u) = ½ Σ q u² + ICNN(u), q ≥ 0: convex (Amos, Xu & Kolter 2017; the dense form with CELU of
    Korotin et al. 2021). `project` puts weights that must not be negative back to 0 after a step."""

    def __init__(self, rank: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.quadratic = nn.Parameter(torch.ones(rank))
        self.inputs = nn.ParameterList(_drawn((rank, hidden), generator) for _ in range(3))
        self.biases = nn.ParameterList(torch.zeros(hidden) for _ in range(3))
        self.between = nn.ParameterList(_drawn((hidden, hidden), generator).abs() for _ in range(2))
        self.last = nn.Parameter(torch.zeros(hidden))

    def forward(self, u: torch.Tensor) -> Value:
        z, slopes = torch.empty(0), []
        for at, (weight, bias) in enumerate(zip(self.inputs, self.biases, strict=True)):
            h = torch.addmm(bias, u, weight.t())
            h = h + z @ self.between[at - 1].t() if at else h
            z = nn.functional.celu(h)
            slopes.append(torch.exp(h.clamp(max=0)))
        value = z @ self.last + 0.5 * (u.square() @ self.quadratic)
        back = slopes[2] * self.last
        moved = back @ self.inputs[2] + u * (self.quadratic - 1)
        for at in (1, 0):
            back = (back @ self.between[at]) * slopes[at]
            moved = moved + back @ self.inputs[at]
        return value, u + moved

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
