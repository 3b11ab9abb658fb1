"""Sampled answers with what the measures need: scores, vectors and the prompts' density."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.artifact import Artifact
from tasks.diversity.compare import Samples
from tasks.minilm import minilm_folder
from tasks.models import load_reward_model, load_tokenizer
from tasks.runtime import device
from tasks.scoring import score_answers
from tasks.sentences import encode_sentences
from tasks.tables import WEIGHTS, read_table


def judge(
    names: list[str], samples: list[Artifact], density: Path, reward: Path, progress: Callable[[float], None]
) -> tuple[pl.DataFrame, dict[str, Samples], dict[str, NDArray[np.float32]]]:
    """The prompts with density and weight, each model's Samples, and a MiniLM vector for each answer's text."""
    tables = [pl.read_parquet(sample.path) for sample in samples]
    weights = read_table(density / "weights.parquet", WEIGHTS).select("id", "density", "weight")
    prompts = tables[0].drop("answers", "ended").join(weights, on="id", how="left", maintain_order="left")
    model, tokenizer = load_reward_model(reward / "model").to(device()), load_tokenizer(reward / "model")
    said = {}
    for done, (name, table) in enumerate(zip(names, tables, strict=True)):
        flat = table.select("prompt", "answers", "ended").explode("answers", "ended")
        scores = score_answers(model, tokenizer, *(flat[name].to_list() for name in ("prompt", "answers", "ended")))
        said[name] = Samples(table["answers"].to_list(), scores.reshape(len(table), -1))
        progress((done + 1) / (2 * len(names)))
    texts = sorted({answer for sample in said.values() for answers in sample.answers for answer in answers})
    vectors = encode_sentences(minilm_folder(), texts, show=lambda share: progress(0.5 + share / 2))
    return prompts, said, dict(zip(texts, vectors, strict=True))
