"""Both trainings of a text map, that kill their own process midway: `python killed_learning.py WHAT WORK SHARE`."""

import os
import signal
import sys
from pathlib import Path

import torch

from tasks.text_map.fit import fit_networks
from tasks.text_map.loop import train
from tasks.text_map.params import PlacingParams, WritingParams
from tasks.text_map.writers import learn
from tests.unit.text_map import toy

TEXTS = toy.texts(40, 0)
WRITING = WritingParams(epochs=3, batch_size=8, vocabulary=300, hidden=16, layers=1, max_length=12)
PLACING = PlacingParams(epochs=4, batch_size=8)


def trained(what: str, work: Path, kill_at: float = 2.0) -> dict[str, torch.Tensor]:
    """Weights of the networks or of the writer."""
    emb = toy.embed(TEXTS)

    def watch(share: float) -> None:
        if share >= kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    if what == "writer":
        return learn(TEXTS, emb, WRITING, None, work, watch).writer.state_dict()
    encoder, decoder = fit_networks(emb, emb[:, :2].copy(), PLACING, work=work, show=watch)
    return {**encoder.state_dict(prefix="encoder."), **decoder.state_dict(prefix="decoder.")}


if __name__ == "__main__":
    torch.set_num_threads(1)
    train.__kwdefaults__["every"] = 0.0  # a checkpoint after each step
    trained(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
