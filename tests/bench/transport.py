"""Neural optimal transport on pairs whose map is known. Bars, medians of 3 seeds, CPU seconds of one thread; settings
were found on other seeds than these (of samples and of log-sum-exp maps; of the W2 benchmark there is one map a size):
Gaussian pairs of 10,000: UVP ≤ .2, 1, 2 % at D = 16, 64, 256; log-sum-exp pairs: ≤ 2 % at D = 16 in 30 s, ≤ 5 % at 64
in 60 s, at most half of the linear map's and less than EMD's; continuous W2 benchmark (../shared/w2_pairs.py, 100,000
samples): ≤ 2 % at D = 16 and ≤ 4 % at 64 in 180 s, cosine ≥ .98; `separate` at D = 2048 ≤ 2 min, UVP ≤ .1 %, recall
within the binomial interval of chance; `affine` at D = 256: UVP ≤ .2 %, ridge's paired error ≤ .5 %; of real pairs
(../shared/data/nl_lean.parquet) recall before and after, whatever it is.

    python -m tests.bench.transport [known|w2|flows|real]
    python -m tests.bench.transport --pair FILE.safetensors --seconds S --seed N    # one JSON line

FILE: x, y, x_test, t_test and the metadata var_out, as w2_pairs.py writes them. S: CPU seconds of each learnt method.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import torch
import yaml
from safetensors import safe_open

from tasks.runtime import torch_threads
from tasks.transport.baselines import emd, identity, mean_shift
from tasks.transport.choose import chosen, gains
from tasks.transport.gaussian import Balance, moments
from tasks.transport.maps import BalancedMap, Map
from tasks.transport.measures import cosine, uvp
from tasks.transport.params import FitParams, Method
from tasks.transport.tokens import Pairs
from tasks.transport.train import RECIPES, Size, cpu_budget, train
from tests.bench.measure import ROOT, python
from tests.references.known_maps import KnownPair, gaussian_pair, log_sum_exp_pair

SEEDS = (11, 12, 13)
SAMPLES = 100_000
HELD_OUT = 2000
W2_PAIRS = ROOT.parent / "shared" / "w2_pairs.py"
REAL = ROOT.parent / "shared" / "data/nl_lean.parquet"
REAL_ROWS = 3000
DEFAULTS = FitParams()


def figures(pair: KnownPair, seconds: float, seed: int, methods: list[Method]) -> dict[str, Any]:
    """UVP (%) and cosine of every map, and which one is kept, by samples held out of training alone."""
    x, y = pair.x[HELD_OUT:], pair.y[HELD_OUT:]
    balance = Balance.of(moments(x), moments(y))
    size = Size.of(min(DEFAULTS.rank, x.shape[1]), DEFAULTS.batch, DEFAULTS.learning_rate)
    source, target = (torch.from_numpy(of) for of in (balance.source(x, size.rank), balance.target(y, size.rank)))
    bures, learnt = BalancedMap(balance), {}
    with torch_threads(1):
        for name in methods:
            last = train(name, source, target, size, seed, cpu_budget(seconds))[-1]
            learnt[name] = BalancedMap(balance, name, size, last.weights)
    held = np.ones(HELD_OUT, dtype=np.int64)
    gained = gains(learnt, bures, Pairs([], held, pair.x[:HELD_OUT], pair.y[:HELD_OUT]), seed)
    maps: dict[str, Map] = {
        "identity": identity(x.shape[1]),
        "mean_shift": mean_shift(balance.source_mean, balance.target_mean),
        "bures": bures,
        "emd": emd(x, y, 2000, np.random.default_rng(seed)),
        **learnt,
    }
    judged = {}
    for name, made in maps.items():
        moved = made(pair.x_test)
        judged[name] = {
            "uvp": uvp(moved, pair.t_test, pair.variance),
            "cosine": cosine(pair.x_test, moved, pair.t_test),
        }
    return {"default": chosen(gained), "methods": judged}


def read_pair(path: Path) -> KnownPair:
    with safe_open(path, "np") as file:
        named = {name: file.get_tensor(name) for name in ("x", "y", "x_test", "t_test")}
        return KnownPair(**named, variance=float(file.metadata()["var_out"]))


def show(what: str, found: list[dict[str, Any]]) -> None:
    """Medians over seeds; the kept map's UVP by seed."""
    names = found[0]["methods"]
    said = ", ".join(f"{name} {median(one['methods'][name]['uvp'] for one in found):.3g}" for name in names)
    kept = [one["methods"][one["default"]] for one in found]
    each = ", ".join(f"{one['default']} {of['uvp']:.3g}" for one, of in zip(found, kept, strict=True))
    near = median(of["cosine"] for of in kept)
    print(f"{what}: UVP % {said}; kept by seed: {each}; its cosine {near:.4f}", flush=True)


def known_pairs() -> None:
    every: list[Method] = list(RECIPES)
    for dim in (16, 64, 256):
        found = [figures(gaussian_pair(dim, 10_000, seed), 10, seed, ["enot"]) for seed in SEEDS]
        show(f"Gaussian pairs, D={dim}, 10 s", found)
    for dim, seconds in ((16, 30), (64, 60)):
        found = [figures(log_sum_exp_pair(dim, SAMPLES, seed), seconds, seed, every) for seed in SEEDS]
        show(f"log-sum-exp pairs, D={dim}, {seconds} s", found)


def w2_benchmark() -> None:
    if not W2_PAIRS.exists():
        print(f"{W2_PAIRS} is not there: the continuous W2 benchmark was not measured")
        return
    for dim in (16, 64):
        found = [figures(w2_pair(dim, seed), 180, seed, list(RECIPES)) for seed in SEEDS]
        show(f"W2 benchmark, D={dim}, 180 s", found)


def w2_pair(dim: int, seed: int) -> KnownPair:
    """Samples of the benchmark's map."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.safetensors"
        command = [sys.executable, str(W2_PAIRS), str(dim), str(SAMPLES), str(path), "--seed", str(seed)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return read_pair(path)


def flows() -> None:
    """The whole flow as its command line, on `separate` and on `affine`."""
    for kind, dim in (("separate", 2048), ("affine", 256)):
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder)
            python(
                made, *f"-m flows.random_pairs --distribution-type {kind} --hidden-dim {dim} --output-dir pairs".split()
            )
            named = {side: f"pairs/{side}_random.parquet" for side in ("nl_embeddings", "lean_embeddings")}
            section = {**named, "hidden_dim": dim, "truth": "pairs/truth.safetensors"}
            (made / "config.yaml").write_text(yaml.safe_dump({"neural_ot": section}))
            cost = python(made, *["-m", "flows.neural_ot", "--config", "config.yaml", "--out", "out"])
            report = json.loads((made / "out/report.json").read_text())
        of = report["methods"][report["default"]]
        print(
            f"{kind}, D={dim}: {cost}; kept {report['default']}, UVP {of['uvp']:.3g} %, recall {of['recall']}, chance "
            f"{report['chance']}; ridge's paired error {report['methods']['ridge']['paired_error']:.3g} %, its "
            f"{of['paired_error']:.3g} %",
            flush=True,
        )


def real() -> None:
    """Statements and their Lean forms by MiniLM's token vectors, as the README's commands."""
    if not REAL.exists():
        print(f"{REAL} is not there: real pairs were not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        pl.read_parquet(REAL).sample(REAL_ROWS, seed=0).write_parquet(made / "rows.parquet")
        python(
            made, *["-m", "flows.embed", "--tokens", "--data", "rows.parquet", "--encoder", "minilm", "--out", "pairs"]
        )
        named = {f"{side}_embeddings": f"pairs/{side}_embeddings.parquet" for side in ("nl", "lean")}
        (made / "config.yaml").write_text(yaml.safe_dump({"neural_ot": {**named, "hidden_dim": 384}}))
        cost = python(made, *["-m", "flows.neural_ot", "--config", "config.yaml", "--out", "out"])
        report = json.loads((made / "out/report.json").read_text())
    default, chance, p = report["default"], report["chance"]["10"]["recall"], report["recall_changed_p"]["10"]
    print(
        f"real pairs, {REAL_ROWS} rows: {cost}; kept {default}; recall@10, chance {chance:.3f}, p of no change {p:.2g}"
    )
    for name, of in report["methods"].items():
        low, high = of["recall_interval"]["10"]
        print(
            f"  {name}: {of['recall']['10']:.3f} [{low:.3f}, {high:.3f}], energy distance {of['energy_distance']:.3f}"
        )
    sys.stdout.flush()


PARTS: dict[str, Callable[[], None]] = {"known": known_pairs, "w2": w2_benchmark, "flows": flows, "real": real}


def main(which: Sequence[str] = ()) -> None:
    for name in which or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pair", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", default=",".join(RECIPES))
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    given = parser.parse_args()
    if given.pair:
        print(json.dumps(figures(read_pair(given.pair), given.seconds, given.seed, given.methods.split(","))))
    else:
        main(given.parts)
