"""Density and sampling at scale. Bars: 100k × 384 in ≥ 5× less than sklearn's brute force at recall ≥ 0.99; a
million vectors in ≤ 30 min and ≤ 8 GB; 1M of 10M drawn in ≤ 1 CPU s and ≥ 5× less than numpy's choice.
"""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from tasks.density.neighbours import knn_density, nearest_neighbours
from tasks.density.sample import weighted_sample
from tests.bench.measure import ROOT, python

K = 20


def main() -> None:
    sampling()
    search(100_000)
    million = python(ROOT, "-c", "from tests.bench.density import million; million()")
    print(f"density of 1,000,000 × 384: {million} (bars 1800 s, 8 GB)")


def topics(n: int, dimensions: int = 384, topics: int = 3000, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors as embedded texts lie: topics of very different sizes, each around a plane of its own."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, topics + 1) ** 0.8
    topic = rng.choice(topics, size=n, p=share / share.sum())
    centres = rng.normal(size=(topics, dimensions)).astype(np.float32)
    planes = rng.normal(size=(topics, 8, dimensions)).astype(np.float32)
    emb = np.empty((n, dimensions), dtype=np.float32)
    for start in range(0, n, 10_000):
        of = topic[start : start + 10_000]
        within = np.einsum("nk,nkd->nd", rng.normal(size=(len(of), 8)).astype(np.float32) / 4, planes[of])
        emb[start : start + 10_000] = centres[of] + within
    emb += rng.normal(scale=0.1, size=(1, dimensions)).astype(np.float32)
    emb /= np.linalg.norm(emb, axis=1, keepdims=True)
    return emb


def timed(what: Callable[[], Any]) -> tuple[float, float, Any]:
    wall, cpu = time.monotonic(), time.process_time()
    made = what()
    return time.monotonic() - wall, time.process_time() - cpu, made


def search(n: int) -> None:
    emb = np.load(sys.argv[1])[:n] if len(sys.argv) > 1 else topics(n)
    ours, our_cpu, (_, found, how) = timed(lambda: nearest_neighbours(emb, K))
    twin = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(emb)  # Euclidean: faster there, and one order
    theirs, their_cpu, true = timed(lambda: twin.kneighbors(emb, return_distance=False))
    sample = np.random.default_rng(1).choice(n, 2000, replace=False)
    recall = np.mean([len(np.intersect1d(found[row], true[row])) / K for row in sample])
    print(
        f"neighbours of {len(emb):,} × {emb.shape[1]}: {how}, "
        f"recall {recall:.4f} (bar 0.99); {ours:.0f} s, {our_cpu:.0f} CPU s; "
        f"sklearn {theirs:.0f} s, {their_cpu:.0f} CPU s: {their_cpu / our_cpu:.1f}× (bar 5)",
        flush=True,
    )


def sampling() -> None:
    rng = np.random.default_rng(0)
    weight = rng.gamma(2.0, size=10_000_000)
    ours = sorted(timed(lambda: weighted_sample(weight, 1_000_000, 0))[1] for _ in range(3))[1]
    share = weight / weight.sum()
    theirs = timed(lambda: rng.choice(len(weight), 1_000_000, replace=False, p=share))[1]
    print(
        f"1M of 10M by weight: {ours:.2f} CPU s (bar 1), numpy's choice {theirs:.2f}: {theirs / ours:.1f}× (bar 5)",
        flush=True,
    )


def million() -> None:
    emb = topics(1_000_000)
    seconds, cpu, density = timed(lambda: knn_density(emb, K))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    Path(sys.argv[1] if len(sys.argv) > 1 else "/dev/stderr").write_text(
        f"{density.search} {seconds:.0f} s {cpu:.0f} CPU s {peak:.1f} GB\n"
    )


if __name__ == "__main__":
    main()
