"""From documents that have places to an encoder and a decoder between them.

Departures from the plain recipe (an autoencoder, then the encoder tuned to the given places by mean squares; its
figures are in the report as `reference`): inputs of length √D, LayerNorm, GELU, dropout .3, Huber's loss and noise on
the inputs for the encoder; the decoder learns from the given places, jittered, since the tuned encoder has left the
autoencoder's. It learns by mean squares: by cosine alone its length would mean nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tasks.tables import Floats
from tasks.text_map.loop import train
from tasks.text_map.networks import Decoder, Encoder
from tasks.text_map.params import PlacingParams, Recipe

INPUT_NOISE = 0.03
JITTER = 0.02
"""Of standardised places."""
RATE = 2e-3
REFERENCE_RATE = 1e-3
AUTOENCODER_SHARE = 0.2
"""Of the epochs, in which encoder and decoder first learn together."""


@dataclass(frozen=True)
class Scaler:
    """Places in units of their spread: (place - mean) / std, one std for both axes, so that shapes stay."""

    mean: tuple[float, float]
    std: float

    @classmethod
    def of(cls, places: Floats) -> "Scaler":
        middle = places.mean(axis=0, dtype=np.float64)
        return cls((float(middle[0]), float(middle[1])), float(places.std(axis=0, dtype=np.float64).mean()) or 1.0)

    def standardised(self, places: Floats) -> Floats:
        return ((places - np.array(self.mean, dtype=np.float32)) / np.float32(self.std)).astype(np.float32)

    def back(self, places: Floats) -> Floats:
        return (places * np.float32(self.std) + np.array(self.mean, dtype=np.float32)).astype(np.float32)


class _Both(nn.Module):
    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder


def fit_networks(
    emb: Floats,
    places: Floats,
    params: PlacingParams,
    *,
    recipe: Recipe = "ours",
    work: Path | None = None,
    show: Callable[[float], None] = lambda share: None,
) -> tuple[Encoder, Decoder]:
    """Train both networks.

    emb: [n, D] unit vectors.  places: [n, 2], standardised.  work: folder for checkpoints.
    """
    x, at = torch.from_numpy(emb), torch.from_numpy(places)
    with torch.random.fork_rng():
        torch.manual_seed(params.seed)
        encoder, decoder = Encoder(emb.shape[1], recipe), Decoder(emb.shape[1], recipe)
    ours = recipe == "ours"
    first = max(1, round(AUTOENCODER_SHARE * params.epochs))
    whole = first + 2 * params.epochs if ours else first + params.epochs
    done = 0

    def phase(name: str, module: nn.Module, loss_of: Callable[[torch.Tensor], torch.Tensor], epochs: int) -> None:
        nonlocal done
        before = done

        def shown(share: float) -> None:
            show((before + share * epochs) / whole)

        train(
            module,
            loss_of,
            len(x),
            batch=params.batch_size,
            epochs=epochs,
            rate=RATE if ours else REFERENCE_RATE,
            seed=params.seed,
            checkpoint=work / f"{recipe}_{name}.safetensors" if work else None,
            identity=json.dumps([name, recipe, params.identity(), *x.shape]),
            show=shown,
        )
        done += epochs

    def reconstructed(rows: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(decoder(encoder(x[rows])), x[rows]) * x.shape[1]

    def placed(rows: torch.Tensor) -> torch.Tensor:
        if not ours:
            return nn.functional.mse_loss(encoder(x[rows]), at[rows])
        noisy = nn.functional.normalize(x[rows] + INPUT_NOISE * torch.randn(len(rows), x.shape[1]), dim=1)
        return nn.functional.huber_loss(encoder(noisy), at[rows])

    def decoded(rows: torch.Tensor) -> torch.Tensor:
        jittered = at[rows] + JITTER * torch.randn(len(rows), 2)
        return nn.functional.mse_loss(decoder(jittered), x[rows]) * x.shape[1]

    phase("autoencoder", _Both(encoder, decoder), reconstructed, first)
    phase("encoder", encoder, placed, params.epochs)
    if ours:
        phase("decoder", decoder, decoded, params.epochs)
    return encoder.eval(), decoder.eval()
