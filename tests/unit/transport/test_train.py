"""Training of maps: it finds a known one, goes on after a kill to the same bits, and does not go on with nonsense."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import TrainingError
from tasks.runtime import torch_threads
from tasks.transport.checkpoint import save_state, take_up
from tasks.transport.choose import FEWEST, chosen, gains
from tasks.transport.fit import learn
from tasks.transport.gaussian import Balance, moments
from tasks.transport.maps import BURES, BalancedMap
from tasks.transport.measures import uvp
from tasks.transport.params import FitParams, Method
from tasks.transport.tokens import Pairs
from tasks.transport.train import (
    EMA,
    LAST_RATE,
    RECIPES,
    SNAPSHOTS,
    Size,
    _average,
    _begun,
    _move,
    _set_rate,
    build,
    steps_budget,
    train,
)
from tests.references.known_maps import KnownPair, gaussian_pair, log_sum_exp_pair
from tests.unit.transport import killed_map

ROOT = Path(__file__).parents[3]
HELD_OUT = 1000


def learnt(pair: KnownPair, name: Method, steps: int) -> tuple[BalancedMap, BalancedMap]:
    """The Bures map of a pair, and one learnt from there."""
    balance = Balance.of(moments(pair.x[HELD_OUT:]), moments(pair.y[HELD_OUT:]))
    size = Size.of(pair.x.shape[1], 256, 0.02)
    sides = (torch.from_numpy(of) for of in (balance.source(pair.x[HELD_OUT:]), balance.target(pair.y[HELD_OUT:])))
    last = train(name, *sides, size, 0, steps_budget(steps))[-1]
    return BalancedMap(balance), BalancedMap(balance, name, size, last.weights)


def error(made: BalancedMap, pair: KnownPair) -> float:
    return uvp(made(pair.x_test), pair.t_test, pair.variance)


def kept(pair: KnownPair, bures: BalancedMap, made: BalancedMap) -> str:
    held = Pairs([], np.ones(HELD_OUT, dtype=np.int64), pair.x[:HELD_OUT], pair.y[:HELD_OUT])
    return chosen(gains({"enot": made}, bures, held, 0))


def test_a_map_that_is_not_linear_is_learnt_and_kept() -> None:
    pair = log_sum_exp_pair(4, 20_000, 0)
    bures, made = learnt(pair, "enot", 200)
    assert error(made, pair) < 0.5 * error(bures, pair)
    assert kept(pair, bures, made) == "enot"


def test_between_gaussians_the_bures_map_is_kept() -> None:
    pair = gaussian_pair(8, 5000, 0)
    bures, made = learnt(pair, "enot", 50)
    assert error(bures, pair) < 0.3
    assert kept(pair, bures, made) == BURES


@pytest.mark.parametrize(("name", "steps"), [("mmr", 100), ("icnn", 300)])
def test_the_other_methods_gain_over_the_linear_map_too(name: Method, steps: int) -> None:
    pair = log_sum_exp_pair(4, 20_000, 0)
    bures, made = learnt(pair, name, steps)
    assert error(made, pair) < 0.97 * error(bures, pair)


@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_training_ends_in_the_same_bits(name: Method, tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("killed_map.py"))
    killed = subprocess.run(
        [sys.executable, script, name, tmp_path / "killed", "17"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "killed/checkpoint.safetensors").exists()
    with torch_threads(1):
        resumed, calm = killed_map.learn(name, tmp_path / "killed"), killed_map.learn(name, tmp_path / "calm")
    assert [one.step for one in resumed] == [one.step for one in calm]
    for one, other in zip(resumed, calm, strict=True):
        assert all(torch.equal(one.weights[at], other.weights[at]) for at in one.weights)


def test_a_run_that_was_interrupted_goes_on_from_its_work_folder(tmp_path: Path) -> None:
    pair = log_sum_exp_pair(3, 2000, 0)
    tokens = Pairs([], np.ones(2000, dtype=np.int64), pair.x, pair.y)
    balance, params = Balance.of(moments(pair.x), moments(pair.y)), FitParams(steps=20, batch=32)

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with torch_threads(1):
        with pytest.raises(KeyboardInterrupt):
            learn("enot", balance, tokens, params, tmp_path / "work", stop, every=0.0)
        shares: list[float] = []
        resumed = learn("enot", balance, tokens, params, tmp_path / "work", shares.append)
        calm = learn("enot", balance, tokens, params, tmp_path / "calm", lambda share: None)
    assert shares[0] > 0.5
    assert all(torch.equal(resumed[-1].weights[name], calm[-1].weights[name]) for name in calm[-1].weights)


@pytest.mark.parametrize("expectile", [0.0, 0.5])
def test_a_step_moves_both_networks_along_the_written_losses(expectile: float) -> None:
    size = Size(3, 8, 16, 0.02)
    state = _begun("enot", size, 0)
    drawn = torch.Generator().manual_seed(1)
    for network in state.networks:
        for weight in network.parameters():
            weight.data.add_(0.3 * torch.randn(weight.shape, generator=drawn))
    x, y = (torch.randn(16, 3, generator=drawn) for _ in range(2))
    network, potential = state.networks
    moved = autograd_map(network, x)
    of_map = ((potential(moved)[0] - (x * moved).sum(1)).mean(), list(network.parameters()))
    held = moved.detach()
    at_held, at_y = potential(held)[0], potential(y)[0]
    conjugate = (x * held).sum(1) - at_held
    over = torch.relu((x * y).sum(1) - conjugate - at_y).square().mean()
    of_potential = (at_y.mean() + conjugate.mean() + expectile * over, list(potential.parameters()))
    wanted = [
        torch.autograd.grad(loss, of, retain_graph=True, allow_unused=True) for loss, of in (of_map, of_potential)
    ]
    for optimizers in state.optimizers:
        for optimizer in optimizers:
            optimizer.step = lambda: None  # so that gradients stay as they came
            optimizer.zero_grad = lambda: None
    _move(replace(RECIPES["enot"], expectile=expectile), state, 0, 1, x, y, True)
    seen = [[one.grad for one in net.parameters()] for net in state.networks]
    for ours, true in zip(seen, wanted, strict=True):
        for one, other in zip(ours, true, strict=True):
            if other is not None:
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def autograd_map(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The gradient of the potential at x, by differentiating it."""
    at = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(network(at)[0].sum(), at, create_graph=True)
    return slope


def test_the_average_lags_and_the_rate_falls() -> None:
    size = Size(3, 8, 16, 0.02)
    state = _begun("enot", size, 0)
    begun = state.averages[0][0].clone()
    state.step = 10_000
    next(state.networks[0].parameters()).data.add_(1.0)
    _average(state)
    torch.testing.assert_close(state.averages[0][0] - begun, torch.full_like(begun, 1 - EMA), rtol=1e-3, atol=1e-6)
    rates = []
    for share in (0.0, 0.5, 1.0):
        _set_rate(state, share)
        rates.append(state.optimizers[0][0].param_groups[0]["lr"])
    np.testing.assert_allclose(rates, [0.02, 0.02 * (1 + LAST_RATE) / 2, 0.02 * LAST_RATE])


def test_too_few_sequences_choose_nothing_and_the_most_gained_wins() -> None:
    pair = gaussian_pair(3, 400, 0)
    balance = Balance.of(moments(pair.x), moments(pair.y))
    bures = BalancedMap(balance)
    for sequences, told in ((FEWEST - 1, False), (FEWEST, True)):
        held = Pairs([], np.full(sequences, 10), pair.x[: 10 * sequences], pair.y[: 10 * sequences])
        assert bool(gains({"enot": bures}, bures, held, 0)) is told
    assert chosen({}) == chosen({"enot": -0.1}) == BURES
    assert chosen({"icnn": 0.1, "enot": 0.2, "mmr": -1.0}) == "enot"


def test_checkpoints_of_others_and_torn_ones_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "work/checkpoint.safetensors"
    size = Size(3, 8, 16, 0.02)
    state = _begun("enot", size, 0)
    state.step = 7
    save_state(state, path, "mine")
    for identity, step in (("mine", 7), ("another", 0)):
        fresh = _begun("enot", size, 0)
        take_up(fresh, path, identity)
        assert fresh.step == step
    path.write_bytes(path.read_bytes()[:-10])
    fresh = _begun("enot", size, 0)
    take_up(fresh, path, "mine")
    assert fresh.step == 0


def test_seeds_decide_networks_and_snapshots_are_ten() -> None:
    size = Size(3, 8, 16, 0.02)
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    one, again, other = (train("enot", x, x.abs(), size, seed, steps_budget(40)) for seed in (0, 0, 1))
    assert len(one) == SNAPSHOTS
    assert [of.step for of in one] == sorted({of.step for of in one})
    assert one[-1].step == 40
    assert all(torch.equal(one[-1].weights[name], again[-1].weights[name]) for name in one[-1].weights)
    assert not torch.equal(one[-1].weights["last"], other[-1].weights["last"])
    assert not torch.equal(*(dict(build("enot", size, seed)[0].named_parameters())["weights.0"] for seed in (0, 1)))


def test_a_loss_that_is_not_finite_ends_training() -> None:
    x = torch.full((10, 2), float("inf"))
    with pytest.raises(TrainingError, match=r"enot: the loss is not finite after 1 steps.*Lower learning_rate"):
        train("enot", x, x, Size(2, 8, 4, 0.02), 0, steps_budget(5))
