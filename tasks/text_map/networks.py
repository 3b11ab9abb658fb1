"""Perceptrons between embeddings and places: 256/128/64 one way, 64/128/256 back.

Parametric UMAP (Sainburg, McInnes & Gentner 2021, arXiv 2009.12981) learns the layout's own loss; here the layout is
given, so the encoder learns its coordinates, and the decoder the way back.
"""

from itertools import pairwise

import torch
from torch import nn

from tasks.text_map.params import Recipe

WIDTHS = (256, 128, 64)
DROPOUT = 0.3
WAVES, WAVE_NUMBER = 32, 2.0
"""Fourier features of a place, and the standard deviation of their wave vectors, in standardised places. On 6,480
abstracts the decoder's cosine is .680 with them, .667 without, .687 of the kernel oracle."""


class Encoder(nn.Module):
    """Unit vectors [n, D] to standardised places [n, 2]."""

    def __init__(self, dim: int, recipe: Recipe = "ours") -> None:
        super().__init__()
        self.scale = dim**0.5 if recipe == "ours" else 1.0
        self.layers = _perceptron((dim, *WIDTHS, 2), recipe, DROPOUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(self.scale * x)


class Decoder(nn.Module):
    """Standardised places [n, 2] to embeddings [n, D]: the mean of the unit vectors that lie there.

    Its direction is the embedding of a place, its length in [0, 1] how much those vectors agree: the confidence.
    Departure: random Fourier features of the place (Tancik et al. 2020), without which a perceptron is too smooth for
    a map's regions; the reference has none.
    """

    waves: torch.Tensor

    def __init__(self, dim: int, recipe: Recipe = "ours") -> None:
        super().__init__()
        count = WAVES if recipe == "ours" else 0
        self.register_buffer("waves", WAVE_NUMBER * torch.randn(2, count))
        self.layers = _perceptron((2 + 2 * count, *reversed(WIDTHS), dim), recipe, 0.0)

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        phases = places @ self.waves
        return self.layers(torch.cat([places, phases.sin(), phases.cos()], dim=1))


def _perceptron(sizes: tuple[int, ...], recipe: Recipe, dropout: float) -> nn.Sequential:
    """Linear layers; between them LayerNorm, GELU and dropout, in the reference ReLU alone."""
    layers: list[nn.Module] = []
    for at, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(inputs, outputs))
        if at == len(sizes) - 2:
            break
        layers += [nn.ReLU()] if recipe == "reference" else [nn.LayerNorm(outputs), nn.GELU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
