"""Where a model lies: a folder of the user's, or a hub's, downloaded once for its revision."""

import json
import os
import shutil
import uuid
from pathlib import Path

from tasks.artifact import Artifact, data_root, external
from tasks.errors import InputError, first_line
from tasks.hub import patiently


def find_model(name_or_path: str) -> Artifact:
    """A model folder given by path, or a hub's model downloaded once for its revision.

    Raises InputError where there is neither a folder nor a hub that can be reached.
    """
    path = Path(os.path.expanduser(name_or_path))
    if os.path.isdir(path):  # also of what cannot be a path
        return external(path)
    if path.is_absolute() or name_or_path.startswith(".") or name_or_path.count("/") > 1:
        raise InputError(f"{name_or_path} is no model folder. Give a folder with config.json and model.safetensors.")
    return external(_download(name_or_path))


def is_language_model(folder: Path) -> bool:
    """Whether a folder holds a chat or completion model, and not a sentence model made of one."""
    try:
        kinds = json.loads((folder / "config.json").read_text()).get("architectures") or []
    except (OSError, ValueError, AttributeError):
        return False
    return any(str(kind).endswith("ForCausalLM") for kind in kinds) and not (folder / "modules.json").exists()


def _download(name: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    try:
        revision = patiently(lambda: HfApi().model_info(name, timeout=10)).sha
        folder = data_root() / "hub" / f"{name.replace('/', '--')}@{revision}"
        if not folder.is_dir():
            fresh = folder.with_name(f".{uuid.uuid4().hex}.tmp")
            patterns = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
            snapshot_download(name, revision=revision, local_dir=fresh, allow_patterns=patterns)
            shutil.rmtree(fresh / ".cache", ignore_errors=True)
            fresh.rename(folder)
    except Exception as error:  # the hub's client raises httpx's, its own and OS errors
        raise InputError(
            f"{name} is no local folder, and the model hub did not give it ({first_line(error)}). "
            "Give the path of a model folder; without one, the small model made from scratch needs no hub."
        ) from error
    return folder
