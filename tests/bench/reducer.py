"""The reducer: `demo` learnt on two cores from a covering corpus, its twin from shallow data, both diagnosed.

Bars: learnt in at most 20 minutes; one step right on the covering test set ≥ .96 overall, at 50 to 80 nodes and at
redex depths over 7, ≥ .90 over 150 nodes; normal form or not ≥ .995; whole reductions ≥ .80; better than the twin that
learnt as long from shallow data in every group of redex depth over 4, the interval clear of 0; reading rows ≤ .10.

    python -m tests.bench.reducer [FOLDER]
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from tasks.reducer.corpus import drawn_evenly
from tasks.reducer.folder import load_reducer
from tasks.reducer.learn import looked
from tests.bench.measure import ROOT

CORPORA = {
    "covering": ["--examples", "1000000"],
    "shallow": ["--examples", "1000000", "--profile", "shallow_naive"],
    "ood": ["--examples", "20000", "--profile", "ood", "--size-limit", "500", "--val-share", "0", "--test-share", "1"],
}
SEED = "11"
JUDGED = ("covering", "ood", "larger")
FEW = {name: ["--diagnosis.rows", "4000", "--diagnosis.traces", "200"] for name in ("ood", "larger")}
TOLD = ("overall", "size", "depth", "redex_depth", "steps")


def main(folder: str = "") -> None:
    if folder:
        measure(Path(folder))
        return
    with tempfile.TemporaryDirectory() as made:
        measure(Path(made))


def measure(folder: Path) -> None:
    """Corpora, models and diagnoses in a folder; what is there already is not made again."""
    for name, flags in CORPORA.items():
        call(folder, "lambda_terms", *flags, "--seed", SEED, "--out", name)
    larger_than_learnt(folder)
    excluded = "covering,ood"
    for name, head in (("covering", "pointer"), ("shallow", "pointer"), ("covering", "causal")):
        out = f"{head}-{name}"
        call(folder, "reducer", "--data", name, "--head", head, "--exclude", excluded, "--until", "train", "--out", out)
        told = json.loads((folder / out / "learning.json").read_text())
        print(
            f"{out}: {told['parameters']:,} parameters, {told['rows']:,} rows in {told['seconds'] / 60:.1f} minutes "
            f"with looks at validation rows, {told['characters_per_second']:,.0f} characters a second in steps, "
            f"{told['reading_share']:.1%} of it reading",
            flush=True,
        )
        if head == "causal":
            print(" its next terms, whether each character is the likeliest after the right ones", flush=True)
            show(looked(load_reducer(folder / out / "model"), drawn_evenly(folder / "covering/test", 3000, 0)))
            continue
        for rows in JUDGED:
            few = FEW.get(rows, [])
            call(folder, "reducer", "--model", f"{out}/model", "--data", rows, *few, "--out", f"{out}-on-{rows}")
            print(f" {out} on {rows}")
            show(json.loads((folder / f"{out}-on-{rows}/diagnosis.json").read_text())["rows"])
    for rows in JUDGED:
        pair = f"pointer-shallow-on-{rows},pointer-covering-on-{rows}"
        call(folder, "reducer", "--compare", pair, "--out", f"compared-on-{rows}")
        for row in json.loads((folder / f"compared-on-{rows}/comparison.json").read_text())["rows"]:
            if row["by"] in ("overall", "redex_depth", "steps"):
                print(
                    f"  {rows}, {row['task']}, {row['by']} {row['bucket']} (n = {row['n']}): {row['a']:.3f} shallow, "
                    f"{row['b']:.3f} covering, {row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]",
                    flush=True,
                )


def larger_than_learnt(folder: Path) -> None:
    """Rows of the ood corpus with more nodes than any that is learnt from: later steps of covering terms grow, too."""
    learnt = [folder / name / "train/*.parquet" for name in ("covering", "shallow")]
    most = pl.scan_parquet(learnt).select(pl.col("size").max()).collect().item()
    rows = pl.scan_parquet(folder / "ood/test/*.parquet").filter(pl.col("size") > most).collect()
    (folder / "larger").mkdir(exist_ok=True)
    rows.write_parquet(folder / "larger/rows.parquet")
    print(f"larger: {len(rows):,} of ood's rows, {most + 1} to {rows['size'].max()} nodes", flush=True)


def show(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["by"] in TOLD:
            print(
                f"  {row['task']}, {row['by']} {row['bucket']}: {row['correct']:.3f} [{row['low']:.3f}, "
                f"{row['high']:.3f}], n = {row['n']}",
                flush=True,
            )


def call(folder: Path, flow: str, *flags: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"flows.{flow}", *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{flow} {' '.join(flags)} failed:\n{done.stderr}")


if __name__ == "__main__":
    main(*sys.argv[1:])
