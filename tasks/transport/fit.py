"""A learnt map of one method, with what it was on the way: from tokens of the train part."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tasks.runtime import training_log
from tasks.tracking import following
from tasks.transport.checkpoint import Snapshot
from tasks.transport.gaussian import Balance
from tasks.transport.maps import BalancedMap, save_map
from tasks.transport.params import FitParams, Method
from tasks.transport.tokens import Pairs
from tasks.transport.train import SECONDS_BETWEEN_CHECKPOINTS, Show, Size, steps_budget, train

SNAPSHOTS, TIMES = "snapshots.safetensors", "times"


def learn(
    name: Method,
    balance: Balance,
    tokens: Pairs,
    params: FitParams,
    work: Path,
    show: Show,
    every: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> list[Snapshot]:
    """Train on the leading balanced coordinates of both sides, from the checkpoint in `work` if there is one.

    every: seconds between checkpoints.
    """
    size = size_of(balance, params)
    source = torch.from_numpy(balance.source(tokens.nl, size.rank))
    target = torch.from_numpy(balance.target(tokens.lean, size.rank))
    with following(params.tracker, work, f"neural_ot {name}", params.identity()) as follow:

        def tell(step: int, figures: dict[str, float]) -> None:
            said = ", ".join(f"{what} {value:.4g}" for what, value in figures.items())
            training_log().info("%s: step %d of %d: %s", name, step, params.steps, said)
            follow(step, {f"{name}/{what}": value for what, value in figures.items()})

        return train(
            name,
            source,
            target,
            size,
            params.seed,
            steps_budget(params.steps),
            checkpoint=work / "checkpoint.safetensors",
            every=every,
            show=show,
            tell=tell,
        )


def size_of(balance: Balance, params: FitParams) -> Size:
    return Size.of(min(params.rank, len(balance.source_mean)), params.batch, params.learning_rate)


def save_learnt(folder: Path, name: Method, balance: Balance, params: FitParams, snapshots: list[Snapshot]) -> None:
    """map/ and the snapshots beside it."""
    folder.mkdir()
    save_map(folder / "map", BalancedMap(balance, name, size_of(balance, params), snapshots[-1].weights))
    tensors = {f"{number}.{at}": of for number, one in enumerate(snapshots) for at, of in one.weights.items()}
    times = torch.tensor([[one.step, one.seconds] for one in snapshots], dtype=torch.float64)
    save_file(tensors | {TIMES: times}, folder / SNAPSHOTS)


def load_snapshots(folder: Path) -> list[Snapshot]:
    read = load_file(folder / SNAPSHOTS)
    times = read.pop(TIMES).tolist()
    weights: list[dict[str, torch.Tensor]] = [{} for _ in times]
    for numbered, of in read.items():
        number, _, name = numbered.partition(".")
        weights[int(number)][name] = of
    return [Snapshot(int(step), seconds, of) for (step, seconds), of in zip(times, weights, strict=True)]
