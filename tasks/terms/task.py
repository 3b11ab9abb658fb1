"""Stage terms: closed λ-terms and their reductions."""

from tasks.artifact import Artifact, link_or_copy, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.reporting import progress, show_table
from tasks.terms.params import RunParams, TermsParams


@cached_task("make {params.rows} λ-terms, seed {params.seed}")
def generate_terms(params: TermsParams) -> Artifact:
    """terms.parquet: rows of reduction traces (term, next_term, is_nf, size, …)."""
    from tasks.terms.traces import write_terms

    with new_artifact("terms", "terms.parquet") as out:
        report = write_terms(out.path, params)
        out.holds(report["rows"])
    show_table("terms", [report], "λ-terms written")
    return out.sealed()


@cached_task("make {params.examples} examples, seed {seed}")
def make_run(seed: int, params: RunParams) -> Artifact:
    """A folder: train, val and test in parts, manifest.json, coverage.json, coverage.svg.

    Goes on after the last whole part of a run that was killed.
    """
    import shutil

    from tasks.terms.run import write_run

    work = work_folder("terms")
    with new_artifact("terms", "run") as out:
        with progress("λ-terms") as show:
            made, reused = write_run(work / "run", work / "records", seed, params, show)
        shutil.copytree(work / "run", out.path, copy_function=link_or_copy)
        out.holds(params.examples, made=made, reused=reused)
    _show_coverage(out.sealed())
    return out.sealed()


@cached_task("scan part {part}, seed {seed}")
def scan_part(part: int, seed: int, params: RunParams) -> Artifact:
    """Hashes of the steps of one part."""
    from tasks.terms import run

    with new_artifact("terms", "part.scan") as out:
        run.scan_part(out.path, seed, params, part)
    return out.sealed()


@cached_task("decide the rows of {params.examples} examples, seed {seed}")
def resolve_parts(scans: list[Artifact], seed: int, params: RunParams) -> Artifact:
    """A folder: for each part that has rows, which they are."""
    from tasks.terms import run

    with new_artifact("terms", "kept") as out:
        parts, rows = run.resolve_parts(out.path, seed, params, [scan.path for scan in scans])
        out.holds(rows, parts=parts)
    return out.sealed()


@cached_task("write part {part}, seed {seed}")
def write_part(part: int, kept: Artifact, seed: int, params: RunParams) -> Artifact:
    """A folder: one part of each split, and its record."""
    from tasks.terms import run

    with new_artifact("terms", "part") as out:
        out.holds(run.write_part(out.path, seed, params, part, kept.path))
    return out.sealed()


@cached_task("gather {params.examples} examples, seed {seed}")
def gather_parts(parts: list[Artifact], seed: int, params: RunParams) -> Artifact:
    """The folder that `make_run` makes, from parts."""
    from tasks.terms import run

    with new_artifact("terms", "run") as out:
        run.gather_parts(out.path, seed, params, [part.path for part in parts])
        out.holds(params.examples)
    _show_coverage(out.sealed())
    return out.sealed()


def _show_coverage(run: Artifact) -> None:
    import json

    figures = json.loads((run.path / "coverage.json").read_text())
    shares = [{"rows": name, "share": f"{share:.1%}"} for name, share in figures["shares"].items()]
    show_table("coverage", shares, f"What {figures['rows']:,} rows cover; the picture is coverage.svg in {run.path}")
