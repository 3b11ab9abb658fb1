"""A text of what lies around a place: by a language model that the user gives, or picked from the neighbours' own."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from tasks.errors import InputError, ServiceError

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\\(])")
PICKED = 3
READ = 8
"""Neighbours that are read."""
SECONDS = 60.0
LABEL = "Picked from the neighbours' own sentences: no language model was given."
ASK = (
    "Documents near one point of a map, nearest first:\n\n{documents}\n\nWrite title and abstract of a document "
    "that would stand at this point. Answer with the title on the first line and the abstract below."
)
Ask = Callable[[str], str]
"""A language model: what is asked, to what it says."""


@dataclass(frozen=True)
class Neighbour:
    """A document beside a place."""

    document_id: str
    title: str
    content: str
    distance: float
    """On the map, in its own units."""


def synthesised(neighbours: Sequence[Neighbour], ask: Ask | None) -> tuple[str, str]:
    """Title and text. Raises ServiceError where the language model says nothing."""
    if ask is None:
        return extracted(neighbours)
    documents = "\n\n".join(f"{number}. {one.title}\n{one.content}" for number, one in enumerate(neighbours[:READ], 1))
    said = ask(ASK.format(documents=documents)).strip()
    if not said:
        raise ServiceError("The language model said nothing, so there is no text. Look at its log, or try again.")
    title, _, text = said.partition("\n")
    return title.strip().lstrip("#* ").removeprefix("Title:").strip(), text.strip() or title.strip()


def extracted(neighbours: Sequence[Neighbour]) -> tuple[str, str]:
    """The nearest title, and the sentences that are most like all the neighbours' (Radev et al. 2004)."""
    sentences = [
        sentence
        for one in neighbours[:READ]
        for sentence in SENTENCE.split(one.content or one.title)
        if sentence.strip()
    ]
    try:
        weights = TfidfVectorizer(stop_words="english").fit_transform(sentences)
        likeness = np.asarray(weights @ np.asarray(weights.mean(axis=0)).T).ravel()
        chosen = sorted(np.argsort(-likeness, kind="stable")[:PICKED])
    except ValueError:  # no word but stop words
        chosen = list(range(min(PICKED, len(sentences))))
    return neighbours[0].title, f"[{LABEL}] {' '.join(sentences[at] for at in chosen)}"


def openai_compatible(url: str, model: str, key: str | None = None) -> Ask:
    """A language model behind an address that speaks OpenAI's chat completions, such as http://127.0.0.1:8000/v1."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url} is no address of a language model. Give one such as http://127.0.0.1:8000/v1.")

    def ask(prompt: str) -> str:
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], "temperature": 0.7}
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            answer = httpx.post(f"{url.rstrip('/')}/chat/completions", json=body, headers=headers, timeout=SECONDS)
            said: Any = answer.raise_for_status().json()["choices"][0]["message"]["content"]
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            raise ServiceError(f"The language model at {url} gave no text ({type(error).__name__}: {error}).") from None
        return str(said or "")

    return ask
