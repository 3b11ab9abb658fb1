"""Token vectors of two sides in; what maps one to the other, out."""

from pathlib import Path

from tasks.artifact import Artifact, external, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.reporting import progress, show_markdown, show_table
from tasks.transport.params import FitParams, Method, RandomPairsParams, SplitParams, TransportParams

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


def known_truth(path: Path, hidden_dim: int) -> Artifact:
    """A user's truth.safetensors. Raises InputError, before anything is learnt, where it is none of these vectors."""
    from tasks.transport.judge import read_truth

    truth = external(path)
    read_truth(path, hidden_dim)
    return truth


@cached_task("moments of both sides")
def balance_sides(nl: Artifact, lean: Artifact, hidden_dim: int, params: SplitParams) -> Artifact:
    """The Bures map between the train parts of both sides: a folder that `load_map` reads."""
    from tasks.runtime import one_thread
    from tasks.transport.gaussian import Balance, moments
    from tasks.transport.judge import spread
    from tasks.transport.maps import BalancedMap, save_map
    from tasks.transport.tokens import read_pairs

    pairs = read_pairs(nl.path, lean.path, hidden_dim, params, ["train", "test"])
    spread(pairs["test"].lean)
    train = pairs["train"]
    with one_thread():
        balance = Balance.of(moments(train.nl), moments(train.lean))
    with new_artifact("transport", "bures") as out:
        save_map(out.path, BalancedMap(balance))
        out.holds(len(train.ids), tokens=len(train.nl))
    return out.sealed()


@cached_task("learn {method}, {params.steps} steps")
def learn_map(
    method: Method, nl: Artifact, lean: Artifact, bures: Artifact, hidden_dim: int, params: FitParams
) -> Artifact:
    """A folder: map/ and snapshots.safetensors. A run that was killed goes on from its checkpoint."""
    from tasks.runtime import one_thread
    from tasks.transport.fit import learn, save_learnt
    from tasks.transport.maps import load_map
    from tasks.transport.tokens import read_pairs

    balance = load_map(bures.path).balance
    train = read_pairs(nl.path, lean.path, hidden_dim, params, ["train"])["train"]
    with one_thread(), progress(f"learn {method}") as show:
        snapshots = learn(method, balance, train, params, work_folder("transport"), show)
    with new_artifact("transport", "learnt") as out:
        save_learnt(out.path, method, balance, params, snapshots)
        out.holds(params.steps)
    return out.sealed()


@cached_task("judge maps")
def judge_maps(
    nl: Artifact,
    lean: Artifact,
    bures: Artifact,
    learnt: list[Artifact],
    truth: Artifact | None,
    hidden_dim: int,
    params: TransportParams,
) -> Artifact:
    """learnt: of `params.methods`, in their order.

    Returns a folder: map/ (the one that is kept), report.json, report.md, and three pictures.
    """
    from tasks.runtime import one_thread
    from tasks.transport.evaluate import evaluate
    from tasks.transport.judge import read_truth
    from tasks.transport.maps import load_map
    from tasks.transport.report import page, table
    from tasks.transport.tokens import read_pairs

    known = read_truth(truth.path, hidden_dim) if truth else None
    pairs = read_pairs(nl.path, lean.path, hidden_dim, params)
    fitted: dict[str, Path] = {name: made.path for name, made in zip(params.methods, learnt, strict=True)}
    with one_thread(), new_artifact("transport", "neural_ot") as out:
        out.path.mkdir()
        made = evaluate(out.path, load_map(bures.path), fitted, pairs, known, params)
        out.holds(len(made["methods"]))
    show_table("neural-ot", table(made), "Maps on held-out tokens")
    show_markdown("neural-ot-report", page(made), "What the maps do")
    return out.sealed()


@cached_task("transport tokens")
def transport(tokens: Artifact, model: Artifact) -> Artifact:
    """Every token vector through a map, in a stream: transported.parquet, in the form of the table that came."""
    from tasks.token_vectors import Tokens, read_tokens, token_dtype, token_sizes, token_writer
    from tasks.transport.maps import load_map

    move = load_map(model.path)
    rows, _, _ = token_sizes(tokens.path)
    done = 0
    with new_artifact("transport", "transported.parquet") as out, progress(f"transport {rows} sequences") as show:
        with token_writer(out.path, move.dim, token_dtype(tokens.path)) as write:
            for group in read_tokens(tokens.path, move.dim):
                write(Tokens(group.ids, group.lengths, move(group.vectors)))
                done += len(group.ids)
                show(done / rows)
        out.holds(done)
    return out.sealed()
