"""Maps in folders: what was saved comes back, and what is not whole is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import InputError
from tasks.transport.gaussian import Balance, moments
from tasks.transport.maps import BalancedMap, load_map, save_map
from tasks.transport.params import Method
from tasks.transport.train import RECIPES, Size, steps_budget, train

RNG = np.random.default_rng(0)
X, Y = (RNG.standard_normal((300, 6)).astype(np.float32) @ RNG.standard_normal((6, 6)) for _ in range(2))
SIZE = Size(4, 16, 32, 0.02)


def learnt(name: Method) -> BalancedMap:
    balance = Balance.of(moments(X), moments(Y))
    sides = torch.from_numpy(balance.source(X, 4)), torch.from_numpy(balance.target(Y, 4))
    return BalancedMap(balance, name, SIZE, train(name, *sides, SIZE, 0, steps_budget(20))[-1].weights)


@pytest.mark.parametrize("name", [None, *RECIPES])
def test_a_saved_map_comes_back(name: Method | None, tmp_path: Path) -> None:
    made = learnt(name) if name else BalancedMap(Balance.of(moments(X), moments(Y)))
    save_map(tmp_path / "map", made)
    assert sorted(path.name for path in (tmp_path / "map").iterdir()) == ["config.json", "model.safetensors"]
    np.testing.assert_array_equal(load_map(tmp_path / "map")(X), made(X))


def test_a_network_moves_only_what_its_rank_spans() -> None:
    made = learnt("enot")
    u, moved, plain = made.balance.source(X), made(X), BalancedMap(made.balance)(X)
    there, straight = (made.balance.target(of) for of in (moved, plain))
    np.testing.assert_allclose(there[:, 4:], u[:, 4:], atol=1e-4)
    np.testing.assert_allclose(straight, u, atol=1e-4)
    assert np.abs(there[:, :4] - u[:, :4]).max() > 1e-3


@pytest.mark.parametrize("name", RECIPES)
def test_each_of_several_weights_moves_as_the_map_with_them_does(name: Method) -> None:
    made = learnt(name)
    assert made.weights
    several = [made.weights, {key: 0.5 * of for key, of in made.weights.items()}]
    for weights, moved in zip(several, made.with_each(several, X), strict=True):
        np.testing.assert_allclose(moved, replace(made, weights=weights)(X), rtol=1e-4, atol=1e-4)


def truncated(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def flipped(folder: Path) -> None:
    whole = bytearray((folder / "model.safetensors").read_bytes())
    whole[-1] ^= 1
    (folder / "model.safetensors").write_bytes(whole)


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04N.")


def with_config(**changed: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changed))

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncated, "is not what config.json"),
        (flipped, "is not what config.json"),
        (pickled, "is not what config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no katflow-transport"),
        (lambda folder: (folder / "config.json").unlink(), "holds no katflow-transport"),
        (lambda folder: (folder / "config.json").write_text("[]"), "holds no katflow-transport"),
        (with_config(format="other"), "is of format 'other'"),
        (with_config(method="unknown"), "no method unknown"),
        (with_config(hidden_dim=7), "shapes are not of hidden_dim"),
        (with_config(size={"rank": 4, "hidden": 8, "batch": 1, "rate": 1}), "holds no map"),
    ],
)
def test_what_is_no_whole_map_is_refused(damage: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    save_map(tmp_path / "map", learnt("enot"))
    damage(tmp_path / "map")
    with pytest.raises(InputError, match=said):
        load_map(tmp_path / "map")


def test_a_pickle_is_refused_though_its_hash_is_right(tmp_path: Path) -> None:
    save_map(tmp_path / "map", learnt("enot"))
    shutil.copytree(tmp_path / "map", tmp_path / "other")
    pickled(tmp_path / "other")
    content = (tmp_path / "other/model.safetensors").read_bytes()
    vouched = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "tensors": {}}
    with_config(files={"model.safetensors": vouched})(tmp_path / "other")
    with pytest.raises(InputError, match="holds no katflow-transport"):
        load_map(tmp_path / "other")
