"""Folders of weights: what was saved comes back, what is not whole is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tasks.errors import InputError
from tasks.sealed_folders import fill, load_folder, save_folder, weights_of


class Tied(nn.Module):
    """Two names of one tensor, as embeddings and head of a language model."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, 4, bias=False), nn.Linear(width, 4, bias=False)
        self.second.weight = self.first.weight


def saved(folder: Path) -> Tied:
    module = Tied()
    save_folder(folder, "tied-1", {"width": 3}, {"model.safetensors": weights_of(module)}, {"scaler.json": "{}"})
    return module


def test_what_was_saved_comes_back_and_tied_weights_once(tmp_path: Path) -> None:
    module = saved(tmp_path / "model")
    config, weights = load_folder(tmp_path / "model", "tied-1")
    assert config["width"] == 3
    assert list(weights["model.safetensors"]) == ["first.weight"]
    other = Tied()
    fill(other, weights["model.safetensors"], tmp_path)
    torch.testing.assert_close(other.second.weight, module.first.weight)


def config_with(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        change(config)
        (folder / "config.json").write_text(json.dumps(config))

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x80\x04N."), "is not what config.json"),
        (lambda folder: (folder / "scaler.json").write_text("{ }"), "is not what config.json"),
        (lambda folder: (folder / "scaler.json").unlink(), "holds no tied-1 that loads"),
        (lambda folder: (folder / "config.json").unlink(), "holds no tied-1 that loads"),
        (lambda folder: (folder / "config.json").write_text("[]"), "holds no tied-1 that loads"),
        (config_with(lambda config: config.update(format="other")), "is of format 'other', not 'tied-1'"),
        (config_with(lambda config: config["files"].update({"../up": {}})), "is no file of this folder"),
        (
            config_with(lambda config: config["files"]["model.safetensors"].update(tensors={"a": [1]})),
            "holds other tensors than",
        ),
    ],
)
def test_what_is_not_whole_is_refused(damage: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    saved(tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(InputError, match=said):
        load_folder(tmp_path / "model", "tied-1")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"first\.weight is \[4, 3\], where the config's network has \[4, 5\]"):
        fill(Tied(5), weights_of(Tied()), tmp_path)
    with pytest.raises(InputError, match=r"first\.weight is missing"):
        fill(Tied(), {}, tmp_path)
