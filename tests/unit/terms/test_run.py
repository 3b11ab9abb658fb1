"""Runs in one process and part by part: the same files, however far an earlier try came."""

import os
from pathlib import Path

import pytest

from tasks.terms.params import RunParams
from tasks.terms.run import gather_parts, resolve_parts, scan_part, write_part, write_run

PARAMS = RunParams(examples=300_000)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert write_run(folder / "run", folder / "records", 3, PARAMS, lambda share: None) == (2, 0)
    return folder


def test_parts_put_together_are_the_run(whole: Path, tmp_path: Path) -> None:
    scans = [tmp_path / f"{part}.scan" for part in range(2)]
    for part, scan in enumerate(scans):
        scan_part(scan, 3, PARAMS, part)
    assert resolve_parts(tmp_path / "kept", 3, PARAMS, scans) == (2, 300_000)
    parts = [tmp_path / f"part-{part}" for part in range(2)]
    assert sum(write_part(folder, 3, PARAMS, part, tmp_path / "kept") for part, folder in enumerate(parts)) == 300_000
    gather_parts(tmp_path / "run", 3, PARAMS, parts)
    assert files(tmp_path / "run") == files(whole / "run")


def test_a_try_that_ended_while_it_published_goes_on_and_leaves_what_was_published_alone(whole: Path) -> None:
    """Links are read-only and share the file: what is written there again must be another file."""
    published = whole / "published.json"
    os.link(whole / "run/manifest.json", published)
    published.chmod(0o444)
    before = published.stat()
    assert write_run(whole / "run", whole / "records", 3, PARAMS, lambda share: None) == (0, 2)
    assert (published.stat().st_ino, published.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (whole / "run/manifest.json").stat().st_ino != before.st_ino
