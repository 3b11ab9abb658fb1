"""Reduction traces from the Rust extension."""

from pathlib import Path

import lambda_gen_rs as lam

from tasks.errors import InputError
from tasks.terms.params import TermsParams


def write_terms(path: Path, params: TermsParams) -> dict[str, int]:
    """Write rows of reduction traces; returns rows, duplicates left out, chunks drawn.

    Raises InputError where there are not so many different terms.
    """
    how = params.model_dump(exclude={"rows"})
    try:
        report = lam.write_traces(path, rows=params.rows, **how)
    except lam.LambdaError as error:
        raise InputError(f"The terms cannot be made: {error}") from None
    return {"rows": report["rows"], "duplicates": report["duplicates"], "chunks": report["chunks"]}
