"""A model learns to reduce λ-terms by one step, and is diagnosed: where it errs, and how.

corpus (and an old one) → learn → model ─┬→ diagnosis
rows to be judged ───────────────────────┘
"""

from pathlib import Path

from flows.cli import publish_contents, run
from flows.deployed import deployable
from flows.params import ReducerParams
from tasks.artifact import Artifact, external, require_no_input, require_writable
from tasks.reducer.task import (
    MODEL,
    compare_reducers,
    corpus,
    diagnose_reducer,
    judged_rows,
    kept_out,
    known_reducer,
    learn_to_reduce,
)


@deployable("reducer", "reducer, {params.head}, to {params.until}")
def reducer(params: ReducerParams) -> dict[str, Path]:
    """Train a reducer and diagnose it, diagnose one, or compare two diagnoses."""
    require_writable(params.out)
    require_no_input(params.out, params.data, *filter(None, [params.old_data]), *params.exclude)
    require_no_input(params.out / MODEL, *filter(None, [params.init]))
    if params.compare:
        return publish_contents(compared(params.compare), params.out)
    rows = judged_rows(params.data) if params.until == "diagnose" else None
    published = {}
    if params.model:
        model = known_reducer(params.model)
    else:
        learnt = trained(params)
        published, model = publish_contents(learnt, params.out), learnt.part(MODEL)
    if rows:
        published |= publish_contents(diagnose_reducer(model, rows, params.diagnosis), params.out)
    return published


def trained(params: ReducerParams) -> Artifact:
    """A model of the train split of --data, with a share of --old-data."""
    old = corpus(params.old_data) if params.old_data else None
    start = known_reducer(params.init) if params.init else None
    excluded = [kept_out(folder) for folder in params.exclude]
    return learn_to_reduce(corpus(params.data), old, excluded, start, params.learning)


def compared(folders: list[Path]) -> Artifact:
    """Two diagnoses of the same rows."""
    first, second = folders
    return compare_reducers(external(first), external(second), [str(first), str(second)])


if __name__ == "__main__":
    run(reducer, ReducerParams)
