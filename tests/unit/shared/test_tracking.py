"""Figures go to a tracker that is there, and where they go decides no result."""

import sys
from pathlib import Path

import pytest

from tasks.errors import InputError
from tasks.policy.params import PolicyParams
from tasks.reward.params import RewardParams
from tasks.sft.params import SftParams
from tasks.tracking import Tracked, figures_folder
from tasks.training import common_arguments


@pytest.mark.parametrize("tracker", ["tensorboard", "wandb", "mlflow"])
def test_a_tracker_that_is_not_installed_is_named(
    tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(InputError, match=rf"{tracker} is not installed.*katflow\[{tracker}\]"):
        common_arguments(tmp_path, max_steps=1, save_steps=1, seed=0, tracker=tracker)


@pytest.mark.parametrize("params", [SftParams, RewardParams, PolicyParams])
def test_the_tracker_is_no_part_of_a_key(params: type[Tracked]) -> None:
    assert params.model_validate({"tracker": "wandb"}).identity() == params().identity()


def test_figures_outlive_the_work_folder(data_folder: Path) -> None:
    assert figures_folder(data_folder / "policy/.work/abc") == data_folder / "tensorboard/policy/abc"
