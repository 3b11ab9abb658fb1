"""From corpora to a trained reducer in a folder."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import torch

from tasks.errors import InputError
from tasks.launch import Trainers, train_in_processes
from tasks.params import Params
from tasks.reducer.corpus import COLUMNS, drawn_evenly, judged_terms, row_groups
from tasks.reducer.folder import Learnt, load_reducer, new_reducer, save_reducer
from tasks.reducer.learn import SECONDS_BETWEEN_CHECKPOINTS, learn
from tasks.reducer.learn import Learnt as Learning
from tasks.reducer.params import LearningParams
from tasks.reducer.report import learning_picture
from tasks.reducer.stream import Stream
from tasks.runtime import bf16_products, device, rank
from tasks.tracking import following

LOOKED_AT = 500
"""Validation rows by which training is followed."""


class Job(Params):
    """A training, as JSON for a process that knows nothing else: on the train splits of `data` and `old`, without any
    term of a val or test split of these or of `excluded`.

    start: a model to begin with.  work: where checkpoints lie, written `every` so many seconds.  out: a new folder for
    model/, learning.json and learning.svg.
    """

    data: Path
    old: Path | None
    excluded: list[Path]
    start: Path | None
    work: Path
    out: Path
    params: LearningParams
    every: float = SECONDS_BETWEEN_CHECKPOINTS


def train_apart(job: Job, progress: Callable[[float], None]) -> None:
    """`train` in as many processes as the job says; raises what `train_in_processes` does."""
    trainers = Trainers("the reducer", "tasks.reducer.worker", job.params.num_processes)
    train_in_processes(trainers, job.model_dump_json(), job.work, progress)


def train(job: Job, show: Callable[[float], None]) -> None:
    """Each of several processes calls it with the same job; the first one writes."""
    params = job.params
    corpora = [job.data, *filter(None, [job.old])]
    stream = Stream(
        new=row_groups(job.data / "train"),
        old=row_groups(job.old / "train") if job.old else [],
        mix=params.mix,
        judged=judged_terms([*corpora, *job.excluded]),
        characters=params.characters,
        seed=params.seed,
        answers=params.head == "causal",
    )
    known = job.data / "val"
    validation = drawn_evenly(known, LOOKED_AT, params.seed) if known.is_dir() else pl.DataFrame(schema=COLUMNS)
    reducer = begun(job.start, params).to(device())
    tracker = params.tracker if rank() == 0 else "none"
    multiplying = bf16_products() if params.head == "pointer" else nullcontext()  # the other: half as fast by them
    with multiplying, following(tracker, job.work, f"reducer {params.head}", params.identity()) as follow:
        made = learn(
            reducer,
            stream,
            validation,
            steps=params.steps,
            rate=params.rate,
            checkpoint=job.work / "checkpoint.safetensors",
            identity=json.dumps(params.identity()),
            every=job.every,
            show=show,
            follow=follow,
        )
    if rank() == 0:
        write(job.out, reducer, made)


def begun(start: Path | None, params: LearningParams) -> Learnt:
    """The model to begin with. Raises InputError where the one that is given is of another shape."""
    torch.manual_seed(params.seed)
    new = new_reducer(params)
    if start is None:
        return new
    reducer = load_reducer(start)
    if _shapes(reducer) != _shapes(new):
        raise InputError(
            f"{start} is another network than --head {params.head} --width {params.width} --layers {params.layers}, "
            "so it cannot be begun with. Give these flags as it was learnt with, or another --init."
        )
    return reducer


def _shapes(reducer: Learnt) -> dict[str, torch.Size]:
    return {name: of.shape for name, of in reducer.state_dict().items()}


def write(out: Path, reducer: Learnt, made: Learning) -> None:
    """The folder of a training."""
    out.mkdir(parents=True)
    save_reducer(out / "model", reducer)
    figures = {
        "parameters": sum(of.numel() for of in reducer.parameters()),
        "rows": made.rows,
        "characters": made.characters,
        "seconds": made.seconds,
        "characters_per_second": made.characters / max(made.stepping, 1e-9),
        "reading_share": made.waited / max(made.stepping, 1e-9),
    }
    (out / "learning.json").write_text(json.dumps({**figures, "history": made.history}, indent=1))
    (out / "learning.svg").write_text(learning_picture(made.history))
