"""Experiments on stored vectors: one by itself, or many of one shape at once."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.artifact import require_writable
from tasks.errors import InputError
from tasks.novelty.evaluate import figures
from tasks.novelty.params import Member, View, as_experiment
from tasks.novelty.rnd import Dtype, Layers, RNDModule, test_rnd, train_rnd
from tasks.novelty.vectors import check_sizes, known_and_judged
from tasks.tables import Floats

Doubles = NDArray[np.float64]
AT_ONCE = 10
"""Networks that train together: more would push each other's weights and moments out of the CPU's cache."""


@dataclass(frozen=True)
class Trained:
    """What a network came to: mean loss of each epoch, a score for each judged row, its share of the seconds."""

    losses: Doubles
    scores: Doubles
    seconds: float


def initialize_rnd_model(
    input_size: int, target_layers: Layers, predictor_layers: Layers, seeds: Sequence[int] = (0,)
) -> RNDModule:
    """Targets and predictors of one shape with He's random weights, one pair for each seed."""
    return RNDModule(input_size, target_layers, predictor_layers, seeds)


def together(members: Mapping[str, Member], sizes: Mapping[View, int]) -> list[dict[str, Member]]:
    """Members, by key, that can train at once, at most AT_ONCE: of one shape, and as many steps of one size and rate.

    sizes: of each view's vectors.
    """
    groups: dict[Any, list[str]] = {}
    for key, member in members.items():
        of = member.experiment
        shape = (sizes[of.view], of.target_layers, of.predictor_layers)
        pace = (of.num_train_samples, of.num_epochs, of.batch_size, of.learning_rate)
        groups.setdefault((shape, pace), []).append(key)
    return [
        {key: members[key] for key in keys[start : start + AT_ONCE]}
        for keys in groups.values()
        for start in range(0, len(keys), AT_ONCE)
    ]


def train_members(
    members: Sequence[Member],
    known: Sequence[Floats],
    judged: Sequence[Floats],
    dtype: Dtype,
    show: Callable[[float], None] = lambda share: None,
) -> list[Trained]:
    """Train members that `together` put into one group.

    known: for each member the vectors [n, D] to learn.  judged: for each the vectors [m, D] to score.
    """
    begun = time.perf_counter()
    of = members[0].experiment
    seeds = [member.seed for member in members]
    for one, other in zip(known, judged, strict=True):
        check_sizes(one, other)
    model = initialize_rnd_model(known[0].shape[1], of.target_layers, of.predictor_layers, seeds)
    losses = train_rnd(
        model,
        np.stack(known),
        seeds,
        epochs=of.num_epochs,
        learning_rate=of.learning_rate,
        batch=of.batch_size,
        dtype=dtype,
        show=show,
    )
    scores = test_rnd(model, np.stack(judged))
    seconds = (time.perf_counter() - begun) / len(members)
    return [Trained(losses[at], scores[at], seconds) for at in range(len(members))]


def run_rnd_experiment_precomputed(
    num_train_samples: int = 1000,
    encoder_name: str = "minilm",
    num_epochs: int = 50,
    learning_rate: float = 1e-4,
    batch_size: int = 50,
    target_layers: Layers = (256, 128, 64),
    predictor_layers: Layers = (512, 256, 64),
    normalize_embeddings: bool = True,
    concat_problem_answer: bool = False,
    save_dir: str | Path | None = None,
    embeddings_dir: str | Path = "data/out/novelty",
    seed: int = 0,
) -> dict[str, Any]:
    """One experiment on what `python -m flows.novelty --until precompute` left in a folder.

    Returns losses by epoch, and auroc, aupr and fpr95 for each novel set; written to save_dir/rnd.json where given.
    Raises InputError for parameters, rows or vectors that cannot be used.
    """
    experiment = as_experiment(
        "rnd",
        {
            "name": "rnd",
            "num_train_samples": num_train_samples,
            "encoder_name": encoder_name,
            "num_epochs": num_epochs,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
            "target_layers": target_layers,
            "predictor_layers": predictor_layers,
            "normalize_embeddings": normalize_embeddings,
            "concat_problem_answer": concat_problem_answer,
        },
    )
    folder = Path(embeddings_dir)
    path = folder / "embeddings" / experiment.view.file
    for needed in (folder / "known.parquet", folder / "judged.parquet", path):
        if not needed.is_file():
            raise InputError(
                f"{needed} is not there{_found_instead(folder)}. Encode with this encoder and these options first: "
                f"python -m flows.novelty --until precompute --out {folder}, with --experiments where they are not of "
                "the default batch; what no hub gives is encoded by minilm."
            )
    known, judged = pl.read_parquet(folder / "known.parquet"), pl.read_parquet(folder / "judged.parquet")
    if len(known) < num_train_samples:
        raise InputError(
            f"{folder} holds {len(known)} rows to learn, fewer than num_train_samples {num_train_samples}. Ask for "
            "fewer, or precompute with an experiment that needs as many."
        )
    ids = known["id"].head(num_train_samples).to_list(), judged["id"].to_list()
    learnt, asked = known_and_judged(path, *ids, normalize=normalize_embeddings)
    [trained] = train_members([Member(experiment=experiment, seed=seed)], [learnt], [asked], "float32")
    found = {
        "losses": trained.losses.tolist(),
        "seconds": trained.seconds,
        "novel_sets": {name: figures(*of) for name, of in by_novel_set(judged, trained.scores).items()},
    }
    if save_dir is not None:
        require_writable(Path(save_dir))
        Path(save_dir).mkdir(parents=True, exist_ok=True)
        (Path(save_dir) / "rnd.json").write_text(json.dumps(found, indent=1))
    return found


def by_novel_set(judged: pl.DataFrame, scores: Doubles) -> dict[str, tuple[Doubles, Doubles]]:
    """For each novel set the scores of the tested known rows, and of its own."""
    rows = judged.with_columns(score=pl.Series(scores)).filter(part="test")
    known = rows.filter(pl.col("novel").is_null())["score"].to_numpy()
    sets = rows.filter(pl.col("novel").is_not_null()).partition_by("novel", maintain_order=True)
    return {of["novel"][0]: (known, of["score"].to_numpy()) for of in sets}


def _found_instead(folder: Path) -> str:
    names = sorted(path.name for path in (folder / "embeddings").glob("*.parquet"))
    return f"; what lies there is {', '.join(names)}" if names else ""
