"""Rows of datasets from a hub, or from a local folder of such a shape, streamed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.artifact import external
from tasks.errors import InputError
from tasks.hub import patiently
from tasks.rows import Met

SECONDS = 10.0  # to wait for the hub's word on a revision


@dataclass(frozen=True)
class Hub:
    """hf:DATASET[:config][:split]"""

    name: str
    rest: tuple[str, ...]

    @classmethod
    def parse(cls, source: str) -> "Hub":
        """Raises InputError where there are more parts than name, config and split."""
        name, *rest = source.removeprefix("hf:").split(":")
        if len(rest) > 2 or not name:
            raise InputError(
                f"{source} is not hf:DATASET, hf:DATASET:split or hf:DATASET:config:split. Give one of them."
            )
        return cls(name, tuple(rest))

    @property
    def is_local(self) -> bool:
        return os.path.isdir(os.path.expanduser(self.name))  # also of what cannot be a path


def resolve_revision(hub: Hub) -> str:
    """The commit that the hub holds now, or the fingerprint of a local folder. Raises InputError without a network."""
    if hub.is_local:
        return external(hub.name).fingerprint
    from huggingface_hub import HfApi

    try:
        sha = patiently(lambda: HfApi().dataset_info(hub.name, timeout=SECONDS)).sha
    except Exception as error:  # the client's own, httpx's and OS errors have no common base
        raise _unreachable(hub, error) from None
    return str(sha)


def stream_rows(hub: Hub, revision: str) -> Iterator[Met]:
    """Every row of the dataset's split at this revision.

    Without a split: `train`, else `train_prefs`, else the first one that begins with `train`, else the first.
    Raises InputError where it cannot be loaded.
    """
    import datasets

    datasets.disable_progress_bars()
    at: dict[str, Any] = {} if hub.is_local else {"revision": revision}
    name = os.path.expanduser(hub.name) if hub.is_local else hub.name
    try:
        config, split = _config_and_split(hub, name, at)
        rows = iter(datasets.load_dataset(name, config, split=split, streaming=True, **at))
    except InputError:
        raise
    except Exception as error:  # see above
        raise _unreachable(hub, error) from None
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as error:  # a reader's, a decoder's or the network's
            raise InputError(
                f"hf:{hub.name} {split} row {number} cannot be read ({type(error).__name__}: {error}). "
                "Check the dataset and the network, and run the same command again."
            ) from None
        yield Met(f"hf:{hub.name} {split} row", number, row)


def _config_and_split(hub: Hub, name: str, at: dict[str, Any]) -> tuple[str | None, str]:
    import datasets

    config: str | None = None
    split: str | None = None
    if len(hub.rest) == 2:
        config, split = hub.rest[0] or None, hub.rest[1]
    elif hub.rest:
        is_config = hub.rest[0] in datasets.get_dataset_config_names(name, **at)
        config, split = (hub.rest[0], None) if is_config else (None, hub.rest[0])
    known = datasets.get_dataset_split_names(name, config, **at)
    if split is None:
        order = ["train", "train_prefs", *(s for s in known if s.startswith("train")), *known]
        split = next(s for s in order if s in known)
    if split not in known:
        raise InputError(f"hf:{hub.name} has no split or config {split!r}. Its splits: {', '.join(map(str, known))}.")
    return config, split


def _unreachable(hub: Hub, error: Exception) -> InputError:
    first = (str(error).strip().splitlines() or [""])[0]
    return InputError(
        f"hf:{hub.name} cannot be loaded ({type(error).__name__}: {first[:200]}). It is read from the hub, which needs "
        "a network and the dataset's right name. Without one, use --pairs.sources lambda (made here), "
        "file:PATH (.jsonl, .parquet, .csv) or hf:FOLDER (a local copy of a dataset)."
    )
