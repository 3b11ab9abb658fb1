"""Every map on the same held-out tokens: what stands in a report's table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.stats import binom
from sklearn.decomposition import PCA

from tasks.errors import InputError
from tasks.proportions import wilson_interval
from tasks.tables import Floats
from tasks.transport.baselines import Affine
from tasks.transport.gaussian import Doubles
from tasks.transport.maps import Map
from tasks.transport.measures import (
    RANKS,
    cosine,
    energy_distance,
    paired_error,
    partner_ranks,
    pooled,
    recall,
    sliced_w2,
    transport_cost,
    uvp,
)
from tasks.transport.tokens import MOST, Pairs


@dataclass(frozen=True)
class Truth:
    """Known maps, for the report only: the optimal one, and the best guess of a token's partner where there is one."""

    optimal: Affine
    pairing: Affine | None


def read_truth(path: Path, dim: int) -> Truth:
    """Read ot_matrix [D, D], ot_bias [D] and, where they are, pair_matrix and pair_bias."""
    try:
        named = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError) as error:  # the last two of numbers that numpy lacks
        raise InputError(f"{path} cannot be read as safetensors ({error}). Give a truth of random_pairs.") from None

    def affine(kind: str) -> Affine:
        matrix, bias = (named.get(f"{kind}_{part}") for part in ("matrix", "bias"))
        if matrix is None or bias is None or matrix.shape != (dim, dim) or bias.shape != (dim,):
            raise InputError(
                f"{path} holds no {kind}_matrix [{dim}, {dim}] and {kind}_bias [{dim}], so no map could be judged by "
                "it. Give the truth.safetensors of these embeddings, or leave truth out."
            )
        return Affine(matrix.astype(np.float64), bias.astype(np.float64))

    if wrong := [name for name, of in named.items() if not np.isfinite(of).all()]:
        raise InputError(f"{path}: {wrong[0]} is not finite, so no map could be judged by it. Make the truth again.")
    return Truth(affine("ot"), affine("pair") if "pair_matrix" in named else None)


def judged(maps: Mapping[str, Map], test: Pairs, truth: Truth | None, seed: int) -> dict[str, dict[str, Any]]:
    """Figures of each map by name.

    uvp, cosine (of displacements): against the true map, None where it is not known.  pairing_uvp: against the known
    guess of partners.  paired_error: %, against partners.  recall: of a partner among the nearest, pooled by sequence.
    """
    rows = compared(test)
    variance = spread(test.lean)
    partners = pooled(test.lean, test.lengths)
    optimal = truth.optimal(test.nl) if truth else None
    pairing = truth.pairing(test.nl) if truth and truth.pairing else None
    figures = {}
    for name, made in maps.items():
        moved = made(test.nl)
        ranks = partner_ranks(pooled(moved, test.lengths), partners)
        few, there = moved[rows], test.lean[rows]
        figures[name] = {
            "uvp": None if optimal is None else uvp(moved, optimal, variance),
            "cosine": None if optimal is None else cosine(test.nl, moved, optimal),
            "pairing_uvp": None if pairing is None else uvp(moved, pairing, variance),
            "paired_error": paired_error(moved, test.lean, variance),
            "recall": {str(k): recall(ranks, k) for k in RANKS},
            "recall_interval": {str(k): list(wilson_interval(recall(ranks, k), len(ranks))) for k in RANKS},
            "energy_distance": energy_distance(few, there),
            "sliced_w2": sliced_w2(few, there, np.random.default_rng(seed)),
            "cost": transport_cost(test.nl, moved),
            "ranks": ranks.tolist(),
        }
    return figures


def chance(sequences: int) -> dict[str, dict[str, Any]]:
    """Recall of a map that knows nothing of partners, and the 95 % interval of what it would be seen to be."""
    found = {}
    for k in RANKS:
        share = min(1.0, k / sequences)
        low, high = binom.interval(0.95, sequences, share) if share < 1 else (sequences, sequences)
        found[str(k)] = {"recall": share, "interval": [float(low) / sequences, float(high) / sequences]}
    return found


def along(moves: Callable[[Floats], Iterable[Floats]], test: Pairs, truth: Truth | None) -> list[float]:
    """What training gained: UVP of each move of held-out tokens, or energy distance where the truth is not known."""
    rows = compared(test)
    x, y = test.nl[rows], test.lean[rows]
    if truth is None:
        return [energy_distance(moved, y) for moved in moves(x)]
    optimal, variance = truth.optimal(x), spread(test.lean)
    return [uvp(moved, optimal, variance) for moved in moves(x)]


def compared(test: Pairs) -> NDArray[np.int64]:
    """Rows whose distances are measured, all with all."""
    return np.concatenate(test.sampled(MOST))


def spread(y: Floats) -> float:
    """The variance of all coordinates together, by which errors are measured.

    Raises InputError where it is 0.
    """
    variance = float(y.var(axis=0, dtype=np.float64).sum())
    if variance <= 0:
        raise InputError(
            "All Lean tokens of the sequences that judge are alike, so no error could be told in shares of their "
            "spread. Give more sequences, or another seed."
        )
    return variance


def plane(x: Floats, y: Floats) -> Doubles:
    """[D, 2]: the two directions in which the tokens of both sides vary most; the second is 0 where D is 1."""
    both = np.concatenate([x, y])
    axes = PCA(min(2, *both.shape), svd_solver="randomized", random_state=0).fit(both).components_.T
    return np.hstack([axes, np.zeros((len(axes), 2 - axes.shape[1]))])
