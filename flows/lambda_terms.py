"""λ-terms and their reduction traces: millions of examples, split, without duplicates, in parts."""

from pathlib import Path

from prefect import flow, unmapped
from prefect.logging import get_run_logger

from flows.cli import publish_contents, run, seed_of_run
from flows.deployed import deployable
from flows.params import LambdaTermsParams
from flows.runners import dask
from tasks.artifact import Artifact, require_writable
from tasks.terms.params import RunParams
from tasks.terms.task import gather_parts, make_run, resolve_parts, scan_part, write_part


@deployable("lambda-terms", "lambda terms, {params.examples} examples, {params.profile}")
def lambda_terms(params: LambdaTermsParams = LambdaTermsParams()) -> dict[str, Path]:
    """Make checked examples of one reduction step each; a run that goes on makes only the parts that are missing."""
    require_writable(params.out)
    seed = seed_of_run(params.seed)
    if params.runner == "dask":
        made = in_parts.with_options(task_runner=dask(params.dask_address, params.workers))(seed, params.run)
    else:
        made = in_one_process(seed, params.run)
    return publish_contents(made, params.out)


def in_one_process(seed: int, params: RunParams) -> Artifact:
    state = make_run(seed, params, return_state=True)
    made = state.result()
    figures = made.manifest["figures"]
    parts = figures["made"] + figures["reused"]
    reused = parts if state.name == "Cached" else figures["reused"]
    get_run_logger().info("made %d parts, reused %d", parts - reused, reused)
    return made


@flow(name="lambda-terms-in-parts", flow_run_name="lambda terms, seed {seed}, in parts")
def in_parts(seed: int, params: RunParams) -> Artifact:
    """Scan parts until they hold the rows; decide which rows are kept; write each part; put them together."""
    scans: list[Artifact] = []
    rows = 0
    while rows < params.examples:
        more = range(len(scans), len(scans) + params.parts_for(params.examples - rows))
        scans += scan_part.map(more, unmapped(seed), unmapped(params)).result()
        kept = resolve_parts(scans, seed, params)
        rows = kept.manifest["rows"]
    parts = write_part.map(range(kept.manifest["figures"]["parts"]), unmapped(kept), unmapped(seed), unmapped(params))
    made = gather_parts(parts.result(), seed, params)
    reused = sum(part.state.name == "Cached" for part in parts)
    get_run_logger().info("made %d parts, reused %d", len(parts) - reused, reused)
    return made


if __name__ == "__main__":
    run(lambda_terms, LambdaTermsParams)
