"""OTT-JAX's ENOT beside ours on a log-sum-exp pair, or a given one, at equal CPU time of one thread. Bar: ours ≤ 1.1
times its UVP.

    python -m venv OTT && OTT/bin/pip install ott-jax jax flax optax diffrax      # outside of the checkout
    python -m tests.bench.transport_ott --python OTT/bin/python --dim 16 --seconds 30 --seed 0 [--pair FILE]

Both get the balanced coordinates, which are worth more than anything else, and a learning rate that falls by a cosine.
Theirs: Adam 4e-3 (1e-3 was worse; betas .9, .99), batch 256, τ = 1 with a coefficient of .5 as in its authors' script,
potentials of our width; as many steps as fit, compilation left out. Ours gets the CPU seconds that theirs took.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

RATE, BATCH, WARM = 4e-3, 256, 200


def main(given: argparse.Namespace) -> None:
    from tasks.transport.gaussian import Balance, moments
    from tasks.transport.measures import uvp
    from tests.bench.transport import SAMPLES, figures, read_pair
    from tests.references.known_maps import log_sum_exp_pair

    pair = read_pair(given.pair) if given.pair else log_sum_exp_pair(given.dim, SAMPLES, given.seed)
    balance = Balance.of(moments(pair.x), moments(pair.y))
    with tempfile.TemporaryDirectory() as folder:
        sides = {"x": balance.source(pair.x), "y": balance.target(pair.y), "x_test": balance.source(pair.x_test)}
        np.savez(Path(folder) / "pair.npz", **sides)
        command = [
            given.python,
            __file__,
            "--solve",
            folder,
            "--seconds",
            str(given.seconds),
            "--seed",
            str(given.seed),
        ]
        subprocess.run(command, check=True)
        found = np.load(Path(folder) / "found.npz")
    seconds = float(found["seconds"])
    theirs = uvp(balance.back(found["moved"]), pair.t_test, pair.variance)
    ours = figures(pair, seconds, given.seed, ["enot"])["methods"]
    print(
        f"D={pair.x.shape[1]}, {seconds:.1f} CPU s each, seed {given.seed}: UVP % ours {ours['enot']['uvp']:.3f}, "
        f"OTT's ENOT {theirs:.3f} in {int(found['steps'])} steps ({ours['enot']['uvp'] / theirs:.2f} times), linear "
        f"{ours['bures']['uvp']:.3f}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def solve(folder: Path, seconds: float, seed: int) -> None:
    """In OTT's own environment: pair.npz to found.npz."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import jax
    import optax
    from ott.neural.methods.expectile_neural_dual import ExpectileNeuralDual
    from ott.neural.networks.potentials import MLP

    named = np.load(folder / "pair.npz")
    dim = named["x"].shape[1]

    def batches(side: np.ndarray, number: int):  # type: ignore[no-untyped-def]
        rng = np.random.default_rng([seed, number])
        while True:
            yield side[rng.integers(len(side), size=BATCH)]

    def trained(steps: int):  # type: ignore[no-untyped-def]
        """The potentials, and CPU seconds after the first two steps, which compile."""
        schedule = optax.cosine_decay_schedule(RATE, steps, 0.01)
        begun = [0.0]

        def watch(step: int, _: object) -> None:
            if step == 1:
                begun[0] = time.process_time()

        hidden = [max(2 * dim, 128)] * 3 + [1]
        solver = ExpectileNeuralDual(
            dim,
            MLP(dim_hidden=hidden, act_fn=jax.nn.silu),
            MLP(dim_hidden=hidden, act_fn=jax.nn.silu),
            optax.adam(schedule, b1=0.9, b2=0.99),
            optax.adam(schedule, b1=0.9, b2=0.99),
            expectile=1.0,
            expectile_loss_coef=0.5,
            num_train_iters=steps,
            valid_freq=10**9,
            rng=jax.random.PRNGKey(seed),
        )
        sides = batches(named["x"], 0), batches(named["y"], 1), batches(named["x"], 2), batches(named["y"], 3)
        made = solver(*sides, callback=watch)
        return made, time.process_time() - begun[0]

    _, spent = trained(WARM)
    steps = int(seconds / (spent / (WARM - 2)))
    made, spent = trained(steps)
    moved = np.asarray(made.transport(named["x_test"]))
    np.savez(folder / "found.npz", moved=moved, seconds=spent, steps=steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", help="of an environment with ott-jax")
    parser.add_argument("--pair", type=Path)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--solve", type=Path)
    arguments = parser.parse_args()
    if arguments.solve:
        solve(arguments.solve, arguments.seconds, arguments.seed)
    else:
        main(arguments)
