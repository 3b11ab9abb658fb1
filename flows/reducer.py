"""A model learns to reduce λ-terms by one step, and is diagnosed: where it errs, and how.

corpus (and an old one) → learn → model ─┬→ diagnosis
rows to be judged ───────────────────────┘
"""

from pathlib import Path

from flows.cli import publish_contents, run
from flows.deployed import deployable
from flows.params import ReducerParams
from tasks.artifact import Artifact, external, require_writable
from tasks.reducer.task import (
    MODEL,
    compare_reducers,
    corpus,
    diagnose_reducer,
    judged_rows,
    known_reducer,
    learn_to_reduce,
)


@deployable("reducer", "reducer, {params.head}, to {params.until}")
def reducer(params: ReducerParams) -> dict[str, Path]:
    """Train a reducer and diagnose it, diagnose one, or compare two diagnoses."""
    require_writable(params.out)
    if params.compare:
        return publish_contents(compared(params.compare), params.out)
    if params.model:
        return diagnosed(known_reducer(params.model), params)
    learnt = trained(params)
    published = publish_contents(learnt, params.out)
    return published if params.until == "train" else published | diagnosed(learnt.part(MODEL), params)


def trained(params: ReducerParams) -> Artifact:
    """A model of the train split of --data, with a share of --old-data."""
    old = corpus(params.old_data) if params.old_data else None
    start = known_reducer(params.init) if params.init else None
    excluded = [external(folder) for folder in params.exclude]
    return learn_to_reduce(corpus(params.data), old, excluded, start, params.learning)


def diagnosed(model: Artifact, params: ReducerParams) -> dict[str, Path]:
    """What a model does with the rows of --data, or of its test split."""
    made = diagnose_reducer(model, judged_rows(params.data), params.diagnosis)
    return publish_contents(made, params.out)


def compared(folders: list[Path]) -> Artifact:
    """Two diagnoses of the same rows."""
    first, second = folders
    return compare_reducers(external(first), external(second), [str(first), str(second)])


if __name__ == "__main__":
    run(reducer, ReducerParams)
