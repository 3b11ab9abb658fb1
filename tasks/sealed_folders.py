"""Folders of weights that vouch for themselves: config.json holds each file's size, hash and tensors' shapes.

    config.json      {"format", "files": {name: {"bytes", "sha256", "tensors": {name: shape} or null}}, the model's own}
    *.safetensors    weights; other files are JSON

Nothing in such a folder is pickled, and nothing in it can run.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tasks.errors import InputError, first_line

CONFIG = "config.json"
Tensors = Mapping[str, torch.Tensor]


def save_folder(
    folder: Path,
    form: str,
    config: Mapping[str, Any],
    weights: Mapping[str, Tensors],
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write a new folder. weights: by file name, such as encoder.safetensors.  texts: other files, as JSON."""
    folder.mkdir(parents=True)
    for name, tensors in weights.items():
        save_file({key: of.detach().contiguous() for key, of in tensors.items()}, folder / name)
    for name, text in (texts or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
    files = {name: _described(folder / name, weights.get(name)) for name in [*weights, *(texts or {})]}
    (folder / CONFIG).write_text(json.dumps({"format": form, **config, "files": files}, indent=1))


def load_folder(folder: Path, form: str) -> tuple[dict[str, Any], dict[str, dict[str, torch.Tensor]]]:
    """The config and the weights by file name.

    Raises InputError where it is of another form, or a file is missing, of another size or content than the config
    says, or holds other tensors.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        found = config.get("format")
        if found != form:
            raise InputError(f"{folder} is of format {found!r}, not {form!r}, so it cannot be used here.")
        return config, {name: _checked(_inside(folder, name), said) for name, said in config["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise InputError(
            f"{folder} holds no {form} that loads ({first_line(error)}). Copy the whole folder again, or "
            "train it again."
        ) from None


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A module's tensors, those that are one under several names (tied embeddings) once."""
    found: dict[tuple[int, torch.Size], str] = {}
    state = module.state_dict()
    for name, of in state.items():
        found.setdefault((of.data_ptr(), of.shape), name)
    return {name: state[name] for name in found.values()}


def fill(module: torch.nn.Module, tensors: Tensors, where: Path) -> None:
    """Load what `weights_of` gave into a module. Raises InputError where names or shapes are not the module's."""
    wanted = {name: list(of.shape) for name, of in weights_of(module).items()}
    given = {name: list(of.shape) for name, of in tensors.items()}
    if wanted != given:
        wrong = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
        raise InputError(
            f"{where}: {wrong[0]} is {given.get(wrong[0], 'missing')}, where the config's network has "
            f"{wanted.get(wrong[0], 'none')}. The folder is not of one training: copy it again, or train it again."
        )
    module.load_state_dict(dict(tensors), strict=False)


def _described(path: Path, tensors: Tensors | None) -> dict[str, Any]:
    shapes = None if tensors is None else {name: list(of.shape) for name, of in tensors.items()}
    return {"bytes": path.stat().st_size, "sha256": _sha256(path), "tensors": shapes}


def _checked(path: Path, said: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    if path.stat().st_size != said["bytes"] or _sha256(path) != said["sha256"]:
        raise InputError(
            f"{path} is not what {CONFIG} beside it vouches for, so what it gives could be anything. Copy the whole "
            "folder again, or train it again."
        )
    if said["tensors"] is None:
        return {}
    read = load_file(path)
    if {name: list(of.shape) for name, of in read.items()} != said["tensors"]:
        raise InputError(f"{path} holds other tensors than {CONFIG} says. Copy the whole folder again.")
    return read


def _inside(folder: Path, name: str) -> Path:
    if Path(name).name != name or name == CONFIG:
        raise ValueError(f"{CONFIG} names {name!r}, which is no file of this folder")
    return folder / name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
