"""Random network distillation on stored vectors. Bars, CPU seconds an experiment (1,000 × 384, 50 epochs, batch 50)
against a plain DataLoader loop: ten stacked in bfloat16 ≥ 2 times less, in float32 ≥ 1.3, GP-RND ≥ 30; against a loop
that encodes in every batch ≥ 1,000 times less, ≥ 40 with the one-off encoding counted; ten experiments of five seeds
with all detectors ≤ 90 CPU s. With real problems also quality: GP-RND and the ensemble ≥ k-NN (5) − .01 AUROC on near
novelty, bfloat16 within .005 of float32.

    python -m tests.bench.novelty [problems.parquet]
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

import numpy as np
import polars as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from flows.params import NoveltyFlowParams
from tasks.cpu import cpu_has_bfloat16
from tasks.minilm import minilm_folder
from tasks.novelty.detectors import DETECTORS, gp_rnd
from tasks.novelty.evaluate import figures
from tasks.novelty.experiment import Trained, by_novel_set, together, train_members
from tasks.novelty.params import DEFAULT_BATCH, Experiment, Member, NoveltyParams, read_experiments
from tasks.novelty.results import ENSEMBLE
from tasks.novelty.rnd import Dtype
from tasks.novelty.split import Split, split
from tasks.sentences import encode_sentences
from tasks.tables import Floats

ROUNDS = 3
ROWS, SIZE, STACK = 1000, 384, 10
BASE = Experiment(name="base")


def main() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    problems = Path(sys.argv[1]) if len(sys.argv) > 1 else NoveltyFlowParams().data
    if not problems.exists():
        sys.exit(f"{problems} does not exist. Give a Parquet of problems.")
    params = NoveltyParams()
    table = pl.read_parquet(problems)
    made = split(table, params.train_source, params.novel_sources, train_rows=ROWS, judged_rows=500, seed=0)
    speed(made.known["problem"].to_list())
    quality(table, made, params)


def speed(texts: list[str]) -> None:
    rng = np.random.default_rng(0)
    known, judged = (rng.normal(size=(n, SIZE)).astype(np.float32) for n in (ROWS, ROWS))
    known, judged = (emb / np.linalg.norm(emb, axis=1, keepdims=True) for emb in (known, judged))
    ways: dict[str, Callable[[], object]] = {
        "DataLoader loop": lambda: data_loader_loop(known),
        f"{STACK} stacked, float32": lambda: stacked(known, judged, "float32"),
        "GP-RND": lambda: gp_rnd(known, judged, 0),
    }
    if cpu_has_bfloat16():
        ways[f"{STACK} stacked, bfloat16"] = lambda: stacked(known, judged, "bfloat16")
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            taken[name].append((time.process_time() - begun) / (STACK if "stacked" in name else 1))
    cpu = {name: median(of) for name, of in taken.items()}
    encodings = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        encode_sentences(minilm_folder(), texts)
        encodings.append(time.process_time() - begun)
    once = median(encodings)
    plain = cpu["DataLoader loop"]
    for name, seconds in cpu.items():
        print(f"{name}: {seconds:.3f} CPU s an experiment, {plain / seconds:.1f} times less than the loop", flush=True)
    every = plain + BASE.num_epochs * once
    best = min(seconds for name, seconds in cpu.items() if "stacked" in name)
    print(
        f"encoding in every batch: {every:.0f} CPU s ({BASE.num_epochs} × {once:.1f} s and the loop): "
        f"{every / best:.0f} times the best without, {every / (best + once):.0f} with the one-off encoding; "
        f"shared by {STACK} experiments {STACK * every / (STACK * best + once):.0f}",
        flush=True,
    )


def data_loader_loop(emb: Floats) -> None:
    """One experiment as a tutorial writes it."""
    target, predictor = (
        nn.Sequential(
            *[layer for a, b in zip([SIZE, *sizes], sizes, strict=False) for layer in (nn.Linear(a, b), nn.ReLU())][:-1]
        )
        for sizes in (BASE.target_layers, BASE.predictor_layers)
    )
    optimizer = torch.optim.Adam(predictor.parameters(), lr=BASE.learning_rate)
    loader = DataLoader(TensorDataset(torch.from_numpy(emb)), batch_size=BASE.batch_size, shuffle=True)
    for _ in range(BASE.num_epochs):
        for (x,) in loader:
            with torch.no_grad():
                meant = target(x)
            loss = nn.functional.mse_loss(predictor(x), meant)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def stacked(known: Floats, judged: Floats, dtype: Dtype) -> list[Trained]:
    members = [Member(experiment=BASE, seed=seed) for seed in range(STACK)]
    return train_members(members, [known] * STACK, [judged] * STACK, dtype)


def quality(table: pl.DataFrame, made: Split, params: NoveltyParams) -> None:
    """The default batch with five seeds on real problems, by MiniLM."""
    text = dict(table.select("id", "problem").iter_rows())
    ids = [*made.known["id"], *made.judged["id"]]
    emb = encode_sentences(minilm_folder(), [text[name] for name in ids])
    known, judged = emb[: len(made.known)], emb[len(made.known) :]
    experiments = read_experiments(DEFAULT_BATCH)
    near = made.judged.filter(pl.col("near"), part="test")["novel"].unique().to_list()
    begun = time.process_time()
    by_others = {name: detector(known, judged, 0) for name, detector in DETECTORS.items()}
    others = time.process_time() - begun
    auroc = {name: [near_auroc(made.judged, scores, near)] for name, scores in by_others.items()}
    numbers: tuple[Dtype, ...] = ("bfloat16", "float32") if cpu_has_bfloat16() else ("float32",)
    for dtype in numbers:
        members = {
            f"{one.name} {seed}": Member(experiment=one, seed=seed)
            for one in experiments
            for seed in range(params.seeds)
        }
        deep: list[np.ndarray] = []
        begun = time.process_time()
        for group in together(members, {one.view: SIZE for one in experiments}):
            trained = train_members(list(group.values()), [known] * len(group), [judged] * len(group), dtype)
            for name, of in zip(group, trained, strict=True):
                auroc.setdefault(f"{name.split()[0]}, {dtype}", []).append(near_auroc(made.judged, of.scores, near))
                deep += [of.scores] if name.startswith("deep") else []
        seconds = time.process_time() - begun
        more = (ENSEMBLE - 1) / params.seeds
        print(
            f"ten experiments × {params.seeds} seeds, {dtype}: {seconds:.0f} CPU s, and the other detectors once "
            f"{others:.0f} (bar 90); with the networks that ensembles need besides about {(1 + more) * seconds:.0f}",
            flush=True,
        )
        auroc[f"deep, ensemble of {ENSEMBLE}, {dtype}"] = [near_auroc(made.judged, np.mean(deep, axis=0), near)]
    for name, values in auroc.items():
        print(f"near novelty, {name}: AUROC {mean(values):.4f}", flush=True)


def near_auroc(judged: pl.DataFrame, scores: np.ndarray, near: list[str]) -> float:
    sets = by_novel_set(judged, scores)
    return mean(figures(*sets[name])["auroc"] for name in near)


if __name__ == "__main__":
    main()
