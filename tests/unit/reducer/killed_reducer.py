"""A small training of a reducer that kills its own process: `python killed_reducer.py HEAD CORPUS WORK STEP`."""

import os
import signal
import sys
from pathlib import Path
from typing import cast

import polars as pl
import torch

from tasks.reducer.corpus import COLUMNS, judged_terms, row_groups
from tasks.reducer.folder import Learnt, new_reducer
from tasks.reducer.learn import Learnt as Learning
from tasks.reducer.learn import learn
from tasks.reducer.params import Head, LearningParams
from tasks.reducer.stream import Stream

STEPS = 12


def learned(head: Head, corpus: Path, work: Path, kill_at: int = 0) -> tuple[Learnt, Learning]:
    """kill_at 0 never kills. A checkpoint is written after each step."""

    def watch(share: float) -> None:
        if kill_at and round(share * STEPS) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.manual_seed(0)
    reducer = new_reducer(LearningParams(head=head, width=16, layers=3))
    stream = Stream(row_groups(corpus / "train"), [], 0.0, judged_terms([corpus]), 1000, 0)
    made = learn(
        reducer,
        stream,
        pl.DataFrame(schema=COLUMNS),
        steps=STEPS,
        rate=1e-2,
        checkpoint=work / "checkpoint.safetensors",
        identity="a",
        every=0.0,
        show=watch,
    )
    return reducer, made


if __name__ == "__main__":
    torch.set_num_threads(1)
    learned(cast(Head, sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
