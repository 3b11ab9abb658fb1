"""How near a written text is to the true one."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU

_bleu = BLEU()


def token_f1(written: str, true: str) -> float:
    """Harmonic mean of precision and recall of words, each as often as it stands there, whatever their case.

    0 where they share none, 1 where both are empty.
    """
    left, right = Counter(written.lower().split()), Counter(true.lower().split())
    shared = (left & right).total()
    if not left and not right:
        return 1.0
    return 2 * shared / (left.total() + right.total())


def wordings(written: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """Over n texts: token_f1 and exact_match as means, bleu (Papineni et al. 2002, sacrebleu's, of all as one corpus).

    All in [0, 1] but bleu, in [0, 100].
    """
    return {
        "token_f1": float(np.mean([token_f1(one, other) for one, other in zip(written, true, strict=True)])),
        "bleu": float(_bleu.corpus_score(list(written), [list(true)]).score),
        "exact_match": float(np.mean([one == other for one, other in zip(written, true, strict=True)])),
    }


def distances(cosine: NDArray[np.float32], iterations: NDArray[np.int64], tolerance: float) -> dict[str, float]:
    """Over n texts: 1 - cosine and rounds as means, and the share that came within the tolerance."""
    return {
        "average_embedding_distance": float((1 - cosine).mean()),
        "average_iterations": float(iterations.mean()),
        "convergence_rate": float((1 - cosine <= tolerance).mean()),
    }
