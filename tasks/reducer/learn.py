"""The training loop: batches of a stream, AdamW, a rise and a cosine, and checkpoints from which it goes on exactly."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.batches import alike_length_batches
from tasks.checkpoints import optimizer_tensors, read_checkpoint, restore_optimizer, under, write_checkpoint
from tasks.errors import TrainingError
from tasks.reducer.answers import AT_ONCE
from tasks.reducer.buckets import counted, with_prefix
from tasks.reducer.stream import Place, Stream
from tasks.runtime import device, rank, world_size
from tasks.sealed_folders import weights_of

SECONDS_BETWEEN_CHECKPOINTS = 60.0
WARM_UP = 0.03
LONGEST_GRADIENT = 1.0
JUDGED = 20
"""Times that correctness on validation rows is looked at."""
History = list[dict[str, Any]]


class Learner(Protocol):
    """A network that learns one step, called with what `tensors` gives for its loss; `right` says of which rows."""

    network: PreTrainedModel

    def tensors(self, rows: pl.DataFrame) -> tuple[torch.Tensor, ...]: ...

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor: ...

    def right(self, rows: pl.DataFrame) -> list[bool]: ...


@dataclass(frozen=True)
class Learnt:
    """history: of each look, step, loss since the last, and correctness on validation rows by group.

    rows, characters: that were learnt from (a repeated one counts again).  seconds: looks at validation rows and
    checkpoints included.  stepping: of them, in steps.  waited: of those, for rows to be read.  All over all runs of a
    training that was killed.
    """

    history: History
    rows: int
    characters: int
    seconds: float
    stepping: float
    waited: float


def learn(
    learner: nn.Module,
    stream: Stream,
    validation: pl.DataFrame,
    *,
    steps: int,
    rate: float,
    checkpoint: Path | None = None,
    identity: str = "",
    every: float = SECONDS_BETWEEN_CHECKPOINTS,
    show: Callable[[float], None] = lambda share: None,
    follow: Callable[[int, dict[str, float]], None] = lambda step, figures: None,
) -> Learnt:
    """Train a `Learner` by steps of one batch each.

    Each of several processes calls it with the same, and takes a batch of its own in every step; the first one looks
    and writes.  identity: of what is trained on what; a checkpoint of another is not taken up.  every: seconds between
    checkpoints.  Raises TrainingError where the loss is no longer finite.
    """
    optimizer = torch.optim.AdamW(learner.parameters(), lr=rate, weight_decay=0.01, fused=True)
    where, together = device(), spread(learner)
    step, place, total = 0, Place(), 0.0
    history: History = []
    told: dict[str, Any] = {"rows": 0, "characters": 0, "seconds": 0.0, "stepping": 0.0, "waited": 0.0}
    if checkpoint and (found := read_checkpoint(checkpoint, identity)):
        said, kept = found
        learner.load_state_dict(under(kept, "weight."), strict=False)
        restore_optimizer(optimizer, kept, "optimizer.")
        step, place, total, history = said["step"], Place(**said["place"]), said["total"], said["history"]
        told = said["told"]
    looks = {math.ceil(steps * (number + 1) / JUDGED) for number in range(JUDGED)}
    saved, coming = time.monotonic(), stream.batches(place)
    learner.train()
    while step < steps:
        asked = time.monotonic()
        drawn = [next(coming) for _ in range(world_size())]
        place, tensors = drawn[-1][0], learner.tensors(drawn[rank()][1])
        told["waited"] += time.monotonic() - asked
        for group in optimizer.param_groups:
            group["lr"] = rate * rate_share(step, steps)
        with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
            loss = together(*tensors)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), LONGEST_GRADIENT)
        optimizer.step()
        step += 1
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss is not finite after {step} steps, so the model would be of no use. Give a lower --rate."
            )
        total += value
        told["stepping"] += time.monotonic() - asked
        told["rows"] += sum(len(rows) for _, rows in drawn)
        told["characters"] += sum(int(stream.lengths(rows).sum()) for _, rows in drawn)
        if step in looks and rank() == 0:
            history.append({"step": step, "loss": total / (step - (history[-1]["step"] if history else 0))})
            history[-1]["rows"] = seen = looked(learner, validation)
            follow(step, {"loss": history[-1]["loss"], **({"correct": seen[0]["correct"]} if seen else {})})
            total = 0.0
        if checkpoint and rank() == 0 and time.monotonic() - saved > every:
            weights = {f"weight.{name}": of for name, of in weights_of(learner).items()}
            said = {"step": step, "place": asdict(place), "total": total, "history": history, "told": told}
            write_checkpoint(checkpoint, identity, said, weights | optimizer_tensors(optimizer, "optimizer."))
            saved = time.monotonic()
        told["seconds"] += time.monotonic() - asked
        show(step / steps)
    learner.eval()
    return Learnt(history, **told)


def spread(learner: nn.Module) -> nn.Module:
    """The learner, as accelerate spreads it where several processes train: their gradients are averaged (DDP)."""
    if world_size() == 1:
        return learner
    from accelerate import Accelerator

    spread_out: nn.Module = Accelerator(cpu=device().type == "cpu").prepare_model(learner)
    return spread_out


def looked(learner: nn.Module, validation: pl.DataFrame) -> History:
    """Correctness of one step on validation rows, by group; nothing where there are none."""
    learner.eval()
    right = np.zeros(len(validation), dtype=bool)
    for some in alike_length_batches(validation["term"].str.len_bytes().to_numpy().astype(np.int64), AT_ONCE):
        right[some] = learner.right(validation[some])
    learner.train()
    return counted("step", with_prefix(validation).with_columns(right=pl.Series(right)))


def rate_share(step: int, steps: int) -> float:
    """Of the highest rate: a linear rise, then a cosine to zero."""
    warm = max(1, round(WARM_UP * steps))
    return min(1.0, (step + 1) / warm) * (1 + math.cos(math.pi * step / steps)) / 2
