"""λ-terms at scale: 15 million examples on disk, what they cover, the reducer against peers, one worker against two.

Bars for 15M on two quiet cores: generator ≤ 25 s, flow ≤ 40 s, ≤ 50 CPU s, ≤ 0.8 GB.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import polars as pl

from tests.bench.measure import ROOT, prefect_server, python

EXAMPLES = 15_000_000
BARS = {
    "depth > 10": (0.50, 1),
    "size > 150": (0.12, 1),
    "redex depth > 4": (0.45, 1),
    "redex depth ≥ 10": (0.10, 1),
    "growth > 0": (0.14, 1),
    "growth > 0 among first contractions": (0.38, 1),
    "three leading λs and a redex": (0.35, 1),
    "normal form": (0.05, 0.15),
    "under ten nodes": (0, 0.05),
}
GENERATE = """
import sys, lambda_gen_rs as lam
out, examples, workers = sys.argv[1:]
lam.write_run(out, out + ".records", lam.RunSpec(seed=1, examples=int(examples)), workers=int(workers))
"""
EMPTY = """
import prefect
prefect.flow(lambda: None, name="empty")()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generator(folder)
        flow(folder)
    reducer()


def generator(folder: Path) -> None:
    """The extension alone; 6M rows with one worker and with two, interleaved."""
    cost = python(folder, "-c", GENERATE, "alone", str(EXAMPLES), "2")
    print(f"generator alone, {EXAMPLES:,} rows: {cost} (bars 25 s, 50 CPU s, 0.8 GB)", flush=True)
    seconds: dict[str, list[float]] = {"1": [], "2": []}
    for turn in range(3):
        for workers, of in seconds.items():
            of.append(python(folder, "-c", GENERATE, f"{workers}-{turn}", "6000000", workers).seconds)
    one, two = (sorted(of)[1] for of in seconds.values())
    print(f"two workers against one, 6M rows, medians of 3: {one:.1f} s / {two:.1f} s = {one / two:.2f} (bar 1.8)")
    python(folder, "-c", GENERATE, "4-0", "6000000", "4")
    same = hashes(folder / "1-0") == hashes(folder / "2-0") == hashes(folder / "4-0")
    print(f"bytes with 1, 2 and 4 workers are the same: {same}", flush=True)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.parquet")
    }


def flow(folder: Path) -> None:
    """The flow with hashing and publishing: on a server that runs, and with the start of Prefect's temporary one."""
    flags = ["--examples", str(EXAMPLES), "--workers", "2", "--size-limit", "250", "--max-steps", "1000", "--seed", "1"]
    with prefect_server():
        cost = python(folder, "-m", "flows.lambda_terms", *flags, "--out", "served")
    print(f"flow on a server that runs, {EXAMPLES:,} rows: {cost} (bars 40 s, 50 CPU s, 0.8 GB)", flush=True)
    shutil.rmtree(folder / "data")
    print(f"an empty flow of Prefect's: {python(folder, '-c', EMPTY)}", flush=True)
    cost = python(folder, "-m", "flows.lambda_terms", *flags, "--out", "flow")
    size = sum(path.stat().st_size for path in (folder / "flow").rglob("*.parquet"))
    print(f"flow, {EXAMPLES:,} rows: {cost} (bars 40 s, 50 CPU s, 0.8 GB), {size / 1e6:.0f} MB", flush=True)
    python(folder, "-m", "flows.lambda_terms", "--examples", "1000000", "--seed", "1", "--out", "million")
    terms = pl.scan_parquet(folder / "million/*/*.parquet").select(pl.len(), pl.col("term").n_unique()).collect().row(0)
    print(f"duplicates among a million: {terms[0] - terms[1]} (bar 0)")
    for run in ("million", "flow"):
        figures = json.loads((folder / run / "coverage.json").read_text())
        for name, (low, high) in BARS.items():
            share = figures["shares"][name]
            verdict = "" if low <= share <= high else "  MISSED"
            print(f"  {figures['rows']:>12,} rows, {name}: {share:.1%} (bar {low:.0%} to {high:.0%}){verdict}")


def reducer() -> None:
    """Against the lambda_calculus crate and a boxed tree (bars 3.5 and 7)."""
    manifest = str(ROOT / "rust_ext" / "Cargo.toml")
    command = ["cargo", "run", "--quiet", "--release", "--manifest-path", manifest, "--example", "reducer_bench"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
