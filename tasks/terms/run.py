"""Whole runs from the Rust extension: in one process, or part by part on machines that share files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import lambda_gen_rs as lam

from tasks.artifact import link_or_copy
from tasks.errors import InputError
from tasks.terms.coverage import coverage, coverage_picture, merged_stats
from tasks.terms.params import RunParams

if TYPE_CHECKING:
    from lambda_gen_rs._native import PartRecord, RunStats

SPLITS = ("train", "val", "test")


def write_run(
    folder: Path, records: Path, seed: int, params: RunParams, progress: Callable[[float], None]
) -> tuple[int, int]:
    """Make the run in `folder`; returns parts made now and parts reused of an earlier, unfinished try.

    Raises InputError where there are not so many different terms.
    """
    try:
        report = lam.write_run(
            folder,
            records,
            params.spec(seed),
            workers=params.workers,
            progress=lambda rows: progress(rows / params.examples),
        )
    except lam.LambdaError as error:
        raise InputError(f"The run cannot be made: {error}") from None
    describe(folder, seed, params, report["parts"], report["stats"])
    return len(report["parts"]) - report["reused"], report["reused"]


def describe(folder: Path, seed: int, params: RunParams, parts: Sequence[PartRecord], stats: RunStats) -> None:
    """Write manifest.json, coverage.json and coverage.svg beside the splits; nothing in them depends on time."""
    suffix = params.format
    manifest = {
        "seed": seed,
        **params.identity(),
        "generator": lam.SOURCE_HASH,
        "rows": {split: sum(part["rows"][i] for part in parts) for i, split in enumerate(SPLITS)},
        "files": [
            {
                "path": f"{split}/part-{number:05}.{suffix}",
                "rows": part["rows"][i],
                "bytes": part["bytes"][i],
                "xxh3_64": f"{part['hashes'][i]:016x}",
            }
            for i, split in enumerate(SPLITS)
            for number, part in enumerate(parts)
        ],
    }
    figures = coverage(stats)
    texts = {
        "manifest.json": json.dumps(manifest, indent=1),
        "coverage.json": json.dumps(figures, indent=1, ensure_ascii=False),
        "coverage.svg": coverage_picture(figures, f"{stats['rows']:,} steps, {params.profile}, seed {seed}"),
    }
    for name, text in texts.items():
        (folder / name).unlink(missing_ok=True)  # an earlier try's may be a read-only link to what was published
        (folder / name).write_text(text)


def scan_part(path: Path, seed: int, params: RunParams, part: int) -> None:
    """First of three passes over a part: write the hashes of its steps to `path`."""
    lam.scan_part(path, params.spec(seed), part)


def resolve_parts(folder: Path, seed: int, params: RunParams, scans: Sequence[Path]) -> tuple[int, int]:
    """Second pass, over all parts in order: write which rows are kept, a file for each part.

    Returns parts with rows, and their rows; fewer than `params.examples` mean that more parts must be scanned.
    Raises InputError where there are not so many different terms.
    """
    folder.mkdir()
    try:
        return lam.resolve_parts(folder, params.spec(seed), list(scans))
    except lam.LambdaError as error:
        raise InputError(f"The run cannot be made: {error}") from None


def write_part(folder: Path, seed: int, params: RunParams, part: int, kept: Path) -> int:
    """Third pass: write the rows of a part that are kept, and what is known of it; returns their number."""
    report = lam.write_part(folder, folder, params.spec(seed), part, kept / f"part-{part:05}.keep")
    (folder / f"part-{part:05}.json").write_text(json.dumps(report["parts"][0]))
    return report["stats"]["rows"]


def gather_parts(folder: Path, seed: int, params: RunParams, parts: Sequence[Path]) -> None:
    """Put parts together as `write_run` would have left them. Files are linked, not copied."""
    records = []
    for number, part in enumerate(parts):
        records.append(json.loads((part / f"part-{number:05}.json").read_text()))
        for split in SPLITS:
            (folder / split).mkdir(parents=True, exist_ok=True)
            name = f"part-{number:05}.{params.format}"
            link_or_copy(part / split / name, folder / split / name)
    describe(folder, seed, params, records, merged_stats(record["stats"] for record in records))
