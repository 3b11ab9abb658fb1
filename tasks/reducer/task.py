"""Rows of λ-reduction in; a reducer, and its diagnosis, out."""

from pathlib import Path

from tasks.artifact import Artifact, external, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.reducer.params import DiagnosisParams, LearningParams
from tasks.reporting import progress, show_markdown, show_table

MODEL = "model"


def corpus(folder: Path) -> Artifact:
    """A corpus of flows.lambda_terms, or one split of it. Raises InputError, before any work, where it is none."""
    from tasks.reducer.corpus import require_corpus

    require_corpus(folder)
    return external(folder)


def kept_out(folder: Path) -> Artifact:
    """Rows that must not be learnt from. Raises InputError, before any work, where there are none."""
    from tasks.reducer.corpus import require_judged

    require_judged(folder)
    return external(folder)


def judged_rows(folder: Path) -> Artifact:
    """What a model is diagnosed on: a corpus' test split, or the folder itself."""
    from tasks.reducer.corpus import rows_folder

    return external(rows_folder(folder))


def known_reducer(folder: Path) -> Artifact:
    """A model folder. Raises InputError, before any work, where it is no reducer's."""
    from tasks.reducer.folder import load_reducer

    load_reducer(folder)
    return external(folder)


@cached_task("learn to reduce, {params.head}, {params.steps} steps")
def learn_to_reduce(
    data: Artifact, old: Artifact | None, excluded: list[Artifact], start: Artifact | None, params: LearningParams
) -> Artifact:
    """A folder: model/, learning.json and learning.svg. A run that was killed goes on from its checkpoint.

    excluded: more corpora, or splits, of which no test term is learnt from.  start: a model to begin with.
    """
    import json

    from tasks.reducer.train import Job, train, train_apart
    from tasks.runtime import torch_threads

    with torch_threads(), new_artifact("reducer", "learnt") as out, progress("learn to reduce") as show:
        job = Job(
            data=data.path,
            old=old.path if old else None,
            excluded=[one.path for one in excluded],
            start=start.path if start else None,
            work=work_folder("reducer"),
            out=out.path,
            params=params,
        )
        (train_apart if params.num_processes > 1 else train)(job, show)
        figures = json.loads((out.path / "learning.json").read_text())
        del figures["history"]
        out.holds(figures["rows"])
    show_table("learning", [figures], "What was learnt from, and how fast")
    return out.sealed()


@cached_task("diagnose a reducer")
def diagnose_reducer(model: Artifact, rows: Artifact, params: DiagnosisParams) -> Artifact:
    """A folder: diagnosis.json, diagnosis.md, predictions.parquet, reductions.parquet and pictures."""
    from tasks.reducer.diagnosed import diagnose

    with new_artifact("reducer", "diagnosis") as out, progress("diagnose") as show:
        out.path.mkdir()
        made, said = diagnose(out.path, model.path, rows.path, params, show)
        out.holds(made["rows"][0]["n"])
    show_table("reducer", made["rows"], "Correctness of one step, normal form, and whole reductions")
    show_markdown("reducer-diagnosis", said, "Where the model errs")
    return out.sealed()


@cached_task("compare reducers")
def compare_reducers(first: Artifact, second: Artifact, names: list[str]) -> Artifact:
    """Two folders that `diagnose_reducer` made. Returns a folder: comparison.json, comparison.md and a picture."""
    from tasks.reducer.diagnosed import compare

    with new_artifact("reducer", "comparison") as out:
        out.path.mkdir()
        rows, said = compare(out.path, first.path, second.path, names)
        out.holds(len(rows))
    show_table("reducers", rows, "Difference of two reducers on the same terms")
    show_markdown("reducers-compared", said, "What one gained over the other")
    return out.sealed()
