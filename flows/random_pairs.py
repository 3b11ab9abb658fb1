"""Random pairs of token sequences whose optimal map is known: what neural_ot can be tried on without a model."""

from pathlib import Path

from flows.cli import publish_contents, run
from flows.deployed import deployable
from flows.params import RandomPairsFlowParams
from tasks.artifact import require_writable
from tasks.transport.task import make_random_pairs


@deployable("random-pairs", "random pairs, {params.distribution_type}, {params.num_samples} sequences")
def random_pairs(params: RandomPairsFlowParams = RandomPairsFlowParams()) -> dict[str, Path]:
    """Draw token vectors of two sides, and write the maps between them beside."""
    require_writable(params.output_dir)
    return publish_contents(make_random_pairs(params.pairs), params.output_dir)


if __name__ == "__main__":
    run(random_pairs, RandomPairsFlowParams)
