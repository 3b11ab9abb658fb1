"""From corpora to a trained reducer in a folder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch

from tasks.errors import InputError
from tasks.reducer.corpus import COLUMNS, drawn_evenly, judged_terms, row_groups
from tasks.reducer.folder import Learnt, load_reducer, new_reducer, save_reducer
from tasks.reducer.learn import Learnt as Learning
from tasks.reducer.learn import learn
from tasks.reducer.params import LearningParams
from tasks.reducer.report import learning_picture
from tasks.reducer.stream import Stream
from tasks.runtime import bf16_products, device, torch_threads

LOOKED_AT = 1000
"""Validation rows by which training is followed."""


def train(
    out: Path,
    data: Path,
    old: Path | None,
    excluded: Sequence[Path],
    start: Path | None,
    params: LearningParams,
    work: Path,
    show: Callable[[float], None],
) -> dict[str, Any]:
    """Train on the train splits of `data` and `old`, and write model/, learning.json and learning.svg into a new folder.

    No term of a val or test split of any corpus is trained on.  start: a model to begin with.
    """
    corpora = [data, *filter(None, [old])]
    stream = Stream(
        new=row_groups(data / "train"),
        old=row_groups(old / "train") if old else [],
        mix=params.mix,
        judged=judged_terms([*corpora, *excluded]),
        characters=params.characters,
        seed=params.seed,
    )
    validation = (
        drawn_evenly(data / "val", LOOKED_AT, params.seed) if (data / "val").is_dir() else pl.DataFrame(schema=COLUMNS)
    )
    reducer = begun(start, params)
    with torch_threads(), bf16_products():
        made = learn(
            reducer.to(device()),
            stream,
            validation,
            steps=params.steps,
            rate=params.rate,
            checkpoint=work / "checkpoint.safetensors",
            identity=json.dumps(params.identity()),
            show=show,
        )
    out.mkdir(parents=True)
    save_reducer(out / "model", reducer)
    figures = told(reducer, made)
    (out / "learning.json").write_text(json.dumps({**figures, "history": made.history}, indent=1))
    (out / "learning.svg").write_text(learning_picture(made.history))
    return figures


def begun(start: Path | None, params: LearningParams) -> Learnt:
    """The model to begin with. Raises InputError where the one that is given has another head."""
    if start is None:
        torch.manual_seed(params.seed)
        return new_reducer(params)
    reducer = load_reducer(start)
    if type(reducer) is not type(new_reducer(params)):
        raise InputError(
            f"{start} does not have the head {params.head}: give --head as it was learnt, or another --init."
        )
    return reducer


def told(reducer: Learnt, made: Learning) -> dict[str, Any]:
    """Figures of a training."""
    return {
        "parameters": sum(of.numel() for of in reducer.parameters()),
        "rows": made.rows,
        "characters": made.characters,
        "seconds": made.seconds,
        "characters_per_second": made.characters / max(made.seconds, 1e-9),
        "reading_share": made.waited / max(made.seconds, 1e-9),
    }
