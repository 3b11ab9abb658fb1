"""Stage terms: closed λ-terms and their reductions."""

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.reporting import show_table
from tasks.terms.params import TermsParams


@cached_task("make {params.rows} λ-terms, seed {params.seed}")
def generate_terms(params: TermsParams) -> Artifact:
    """terms.parquet: rows of reduction traces (term, next_term, is_nf, size, …)."""
    from tasks.terms.traces import write_terms

    with new_artifact("terms", "terms.parquet") as out:
        report = write_terms(out.path, params)
        out.holds(report["rows"])
    show_table("terms", [report], "λ-terms written")
    return out.sealed()
