"""The optimal map between two tables of token vectors: learnt, judged beside what is not learnt, and applied.

token vectors of NL and Lean → moments (Bures map) → learn each method → choose and judge → move all NL tokens
"""

from pathlib import Path

from flows.cli import publish_contents, run
from flows.deployed import deployable, require_allowed
from flows.params import NeuralOtParams
from tasks.artifact import external, publish, require_no_input, require_writable
from tasks.transport.params import read_config
from tasks.transport.task import balance_sides, judge_maps, known_truth, learn_map, transport

MOVED = "transported.parquet"


@deployable("neural-ot", "neural OT")
def neural_ot(params: NeuralOtParams) -> dict[str, Path]:
    """Learn a map of one side's tokens to the other's, or apply one."""
    if params.apply and params.tokens and params.out_file:
        return applied(params.apply, params.tokens, params.out_file)
    require_writable(params.out)
    given = params.config or Path()
    config = read_config(given, wandb=not params.no_wandb)
    require_allowed(config)
    inputs = [given, config.nl_embeddings, config.lean_embeddings, *filter(None, [config.truth])]
    require_no_input(params.out / MOVED, *inputs)
    nl, lean, dim = external(config.nl_embeddings), external(config.lean_embeddings), config.hidden_dim
    bures = balance_sides(nl, lean, dim, config.split)
    truth = known_truth(config.truth, dim) if config.truth else None
    learnt = [learn_map(method, nl, lean, bures, dim, config.fit) for method in config.methods]
    judged = judge_maps(nl, lean, bures, learnt, truth, dim, config.transport)
    moved = transport(nl, judged.part("map"))
    published = publish_contents(judged, params.out)
    return published | {MOVED: publish(moved, params.out / MOVED)}


def applied(model: Path, tokens: Path, out_file: Path) -> dict[str, Path]:
    """Move a table of tokens by a map that an earlier run left."""
    require_writable(out_file.parent)
    require_no_input(out_file, tokens, model)
    return {out_file.name: publish(transport(external(tokens), external(model)), out_file)}


if __name__ == "__main__":
    run(neural_ot, NeuralOtParams)
