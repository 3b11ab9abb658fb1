"""λ-terms and their reduction traces, part by part."""

from pathlib import Path

from prefect import flow

from flows.cli import publish_all, run, seed_of_run
from flows.params import LambdaTermsParams
from tasks.terms.task import generate_terms


@flow(name="lambda-terms", flow_run_name="lambda terms, {params.examples} examples")
def lambda_terms(params: LambdaTermsParams = LambdaTermsParams()) -> dict[str, Path]:
    """Make checked examples of one reduction step each; a run that goes on makes only the parts that are missing."""
    parts = generate_terms.map(params.parts(seed_of_run(params.seed))).result()
    return publish_all(parts, params.out, "part-{:05}.parquet")


if __name__ == "__main__":
    run(lambda_terms, LambdaTermsParams)
