"""Token vectors of two sides in; what maps one to the other, out."""

from tasks.artifact import Artifact, new_artifact
from tasks.caching import cached_task
from tasks.reporting import progress
from tasks.transport.params import RandomPairsParams

NL, LEAN, TRUTH = "nl_embeddings_random.parquet", "lean_embeddings_random.parquet", "truth.safetensors"


@cached_task("random pairs, {params.distribution_type}")
def make_random_pairs(params: RandomPairsParams) -> Artifact:
    """Draw pairs of token sequences: a folder with a table of each side and the maps that are known."""
    from safetensors.numpy import save_file

    from tasks.token_vectors import token_writer
    from tasks.transport.synthetic import random_pairs, truth_of

    dim, dtype = params.hidden_dim, params.token_dtype
    with new_artifact("transport", "random_pairs") as out, progress(f"draw {params.num_samples} pairs") as show:
        out.path.mkdir()
        tokens = done = 0
        with token_writer(out.path / NL, dim, dtype) as to_nl, token_writer(out.path / LEAN, dim, dtype) as to_lean:
            for nl, lean in random_pairs(params):
                to_nl(nl)
                to_lean(lean)
                done, tokens = done + len(nl.ids), tokens + len(nl.vectors)
                show(done / params.num_samples)
        save_file(truth_of(params).tensors(), out.path / TRUTH)
        out.holds(params.num_samples, tokens=tokens)
    return out.sealed()
