"""Vectors of answers from an encoder that the weights did not come from, for how far answers spread.

Arms that trained on what is rare to one encoder would be judged by it with a bias; so policies' states judge where a
sentence model weighed, and a sentence model where states did.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tasks.diversity.params import SpreadBy
from tasks.minilm import minilm_folder
from tasks.models import load_tokenizer
from tasks.sentences import encode_sentences
from tasks.states import load_states_model, mean_states, tokenize
from tasks.tables import Floats

BATCH_TOKENS = 2048
TINY = float(np.finfo(np.float32).tiny)


def answer_vectors(
    by: SpreadBy, texts: Sequence[str], base: Sequence[str], sft: Path, show: Callable[[float], None]
) -> dict[str, Floats]:
    """A unit vector [D] for each text: MiniLM's, or the mean of the SFT model's last states.

    base: the SFT model's own answers; states are taken from their mean, being nearly parallel otherwise.
    An empty answer is its end token alone.
    """
    if by == "minilm":
        return dict(zip(texts, encode_sentences(minilm_folder(), list(texts), show=show), strict=True))
    every = sorted({*texts, *base})
    model, end = load_states_model(sft), load_tokenizer(sft).eos_token
    ids, _ = tokenize(sft, [[text or end] for text in every], model)
    states = dict(zip(every, mean_states(model, ids, batch_tokens=BATCH_TOKENS, show=show), strict=True))
    middle = np.mean([states[text] for text in sorted(set(base))], axis=0)
    return {text: _unit(states[text] - middle) for text in texts}


def _unit(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), TINY)
