"""Where a training run's figures go besides its log: nowhere, or to a tracker that the user has installed."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tasks.artifact import data_root
from tasks.errors import InputError
from tasks.params import HOW, Params

Tracker = Literal["none", "tensorboard", "wandb", "mlflow"]


class Tracked(Params):
    """Parameters of a stage whose training can be followed elsewhere."""

    tracker: Tracker = Field(
        "none",
        json_schema_extra=HOW,
        description="where training's figures go too: tensorboard (data/tensorboard), wandb or mlflow (as their "
        "environment variables say)",
    )


def require(tracker: Tracker) -> None:
    """Raise InputError where the tracker's package is not installed."""
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise InputError(
            f"The tracker {tracker} is not installed, so no figures could be sent to it. "
            f"Install it (pip install 'katflow[{tracker}]' --constraint constraints.txt), or leave --tracker out."
        )


def figures_folder(work: Path) -> Path:
    """data/tensorboard/<stage>/<key> for the work folder data/<stage>/.work/<key>, which goes when its task is done."""
    return data_root() / "tensorboard" / work.parent.parent.name / work.name


Follow = Callable[[int, dict[str, float]], None]
"""Figures of a step."""


@contextmanager
def following(tracker: Tracker, work: Path, run: str, params: dict[str, Any]) -> Iterator[Follow]:
    """A function that sends figures to the tracker, for training loops of our own; transformers' Trainer has its own.

    work: as for `figures_folder`.  Raises InputError where the tracker is not installed.
    """
    require(tracker)
    if tracker == "none":
        yield lambda step, figures: None
        return
    from accelerate import Accelerator

    from tasks.runtime import device

    folder = figures_folder(work)
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(cpu=device().type == "cpu", log_with=tracker, project_dir=folder)
    accelerator.init_trackers(run.replace(" ", "-"), config=params)
    try:
        yield lambda step, figures: accelerator.log(figures, step=step)
    finally:
        accelerator.end_training()
