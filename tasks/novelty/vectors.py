"""Stored vectors made ready for training, and what is wrong with them said."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.errors import InputError
from tasks.tables import Floats, read_embeddings

SAME = 1e-6
"""Of the largest number: what rounding leaves between vectors that got length 1."""


def load_precomputed_embeddings(path: Path, ids: Sequence[str]) -> Floats:
    """Vectors [n, D] of these rows from an embeddings.parquet (id, emb).

    Raises InputError for a row without a vector, and for what `read_embeddings` refuses: vectors of several sizes,
    values that are not finite.
    """
    known, emb = read_embeddings(path)
    row = {name: at for at, name in enumerate(known)}
    missing = [name for name in ids if name not in row]
    if missing:
        raise InputError(
            f"{path} has no vector of {len(missing)} rows, the first {missing[0]!r}. They were encoded for another "
            "split: precompute again."
        )
    return emb[[row[name] for name in ids]]


def known_and_judged(
    path: Path, known: Sequence[str], judged: Sequence[str], *, normalize: bool
) -> tuple[Floats, Floats]:
    """Vectors to learn and vectors to judge, of rows of one embeddings.parquet, as the detectors are given them."""
    both = load_precomputed_embeddings(path, [*known, *judged])
    learnt = prepare_embeddings_for_training(both[: len(known)], normalize=normalize)
    return learnt, ready(both[len(known) :], normalize=normalize)


def prepare_embeddings_for_training(emb: Floats, *, normalize: bool) -> Floats:
    """Vectors [n, D] to learn from, float32, of length 1 if wanted.

    Raises InputError where nothing can be learnt: one row, a value that is not finite, rows that are all the same, a
    row of zeros that should get length 1.
    """
    if len(emb) < 2:
        raise InputError(f"{len(emb)} vector to learn from: what is new can be told from two known ones at least.")
    bad = ~np.isfinite(emb).all(axis=1)
    if bad.any():
        raise InputError(f"The vector of row {int(np.argmax(bad)) + 1} is not finite. Encode it again or leave it out.")
    made = ready(emb, normalize=normalize)
    if np.allclose(made, made[0], rtol=0, atol=SAME * float(np.abs(made).max())):
        raise InputError(
            f"All {len(emb)} vectors are the same, so no row could be more novel than another. Is the encoder broken, "
            "or do all rows say the same?"
        )
    return made


def ready(emb: Floats, *, normalize: bool) -> Floats:
    """Vectors as the networks are given them. Raises InputError for a row of zeros that should get length 1."""
    if not normalize:
        return np.ascontiguousarray(emb, dtype=np.float32)
    norms = np.linalg.norm(emb, axis=1, keepdims=True)
    if not norms.all():
        raise InputError(
            f"The vector of row {int(np.argmin(norms)) + 1} is zero and cannot get length 1. Encode it again, leave it "
            "out, or give normalize_embeddings false."
        )
    return np.ascontiguousarray(emb / norms, dtype=np.float32)


def check_sizes(known: Floats, judged: Floats) -> None:
    """Raise InputError where vectors to judge have another size than those that were learnt."""
    if known.shape[1] != judged.shape[1]:
        raise InputError(
            f"Known vectors have {known.shape[1]} numbers, those to judge {judged.shape[1]}: they come from different "
            "encoders and cannot be compared. Encode both with one."
        )
