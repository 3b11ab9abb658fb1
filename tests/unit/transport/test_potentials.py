"""Networks: the gradient that is written out is autograd's, all begin as the identity, an ICNN is convex."""

import pytest
import torch
from torch import nn

from tasks.transport.potentials import ConvexPotential, Potential, VectorMap


def disturbed(kind: type[nn.Module]) -> nn.Module:
    """A network whose weights are no longer those it begins with."""
    generator = torch.Generator().manual_seed(1)
    network = kind(5, 16, generator).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.double))
    if isinstance(network, ConvexPotential):
        network.project()
    return network


@pytest.mark.parametrize("kind", [Potential, ConvexPotential])
def test_gradients_are_those_of_autograd(kind: type[nn.Module]) -> None:
    network = disturbed(kind)
    u = torch.randn(20, 5, generator=torch.Generator().manual_seed(2), dtype=torch.double, requires_grad=True)
    value, gradient = network(u)
    (expected,) = torch.autograd.grad(value.sum(), u)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("kind", [Potential, VectorMap, ConvexPotential])
def test_every_network_begins_as_the_identity(kind: type[nn.Module]) -> None:
    u = torch.randn(20, 5)
    torch.testing.assert_close(kind(5, 16, torch.Generator())(u)[1], u)


def test_an_icnn_is_convex_along_segments() -> None:
    network = disturbed(ConvexPotential)
    generator = torch.Generator().manual_seed(3)
    one, other = (3 * torch.randn(500, 5, generator=generator, dtype=torch.double) for _ in range(2))
    for share in (0.1, 0.5, 0.8):
        between, _ = network(share * one + (1 - share) * other)
        assert (between <= share * network(one)[0] + (1 - share) * network(other)[0] + 1e-9).all()
