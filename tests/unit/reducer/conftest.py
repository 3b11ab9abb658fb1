"""A small corpus for the reducer's tests."""

from pathlib import Path

import lambda_gen_rs as lam
import pytest


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 rows of the covering profile: train, val and test."""
    folder = tmp_path_factory.mktemp("corpus")
    spec = lam.RunSpec(seed=3, examples=6000, val_share=0.1, test_share=0.2)
    lam.write_run(folder / "terms", folder / "records", spec)
    return folder / "terms"
