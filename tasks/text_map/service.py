"""Text for any point of a map: what a click asks, as a library.

service = EmbeddingToTextService()
service.load_trained_model(Path("data/out/text_map"))
answer = service.generate_text_from_coordinates(EmbeddingToTextRequest(x=1.5, y=-0.3, method="vec2text"))
answer.text_generation_result.title
"""

import json
import numbers
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass
from sklearn.neighbors import KDTree

from tasks.artifact import fingerprint
from tasks.errors import ArtifactError, InputError
from tasks.tables import Floats
from tasks.text_map.documents import Documents
from tasks.text_map.kept import (
    DOCUMENTS,
    EMBEDDER,
    GENERATION,
    UMAP,
    WRITER,
    MapModel,
    load_documents,
    load_map,
    unit_vectors,
)
from tasks.text_map.params import GenerationParams
from tasks.text_map.place import embeddings_at, place_by_network, place_hybrid
from tasks.text_map.search import Embed, Proposer, search
from tasks.text_map.synthesis import Ask, Neighbour, synthesised
from tasks.text_map.texts import embed_with
from tasks.text_map.writers import load_writer
from tasks.vectors import unit

Method = Literal["vec2text", "llm_synthesis"]
Placing = Literal["hybrid", "mlp"]
MARGIN = 0.25
"""Of the map's width: farther outside of it nothing is answered."""
ON_A_DOCUMENT = 1e-6
"""Of the map's width, within which a place is a document's own."""
NEIGHBOURS = 10
LONGEST_TITLE = 120


def _number(value: Any) -> float:
    """Numbers of any library, but no text that looks like one."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"a coordinate is a number, not {value!r}")
    return float(value)


Coordinate = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EmbeddingToTextRequest:
    """A place in the map's own coordinates. Raises ValueError where they are no finite numbers."""

    x: Coordinate
    y: Coordinate
    method: Method = "vec2text"


class OutsideError(ValueError):
    """A place too far from all documents for anything to be known there."""


class TextGenerationResult(BaseModel):
    """What was written."""

    title: str
    text: str
    method: Method
    iterations: int = Field(description="rounds of correction")
    distance: float | None = Field(description="1 - cosine of its embedding to the place's; null where not measured")


class NeighbourDocument(BaseModel):
    """A document beside the place."""

    document_id: str
    title: str
    x: float
    y: float
    distance: float = Field(description="on the map, in its own units")


class EmbeddingToTextResponse(BaseModel):
    """A text and what is known of its place."""

    x: float
    y: float
    text_generation_result: TextGenerationResult
    embedding: list[float] = Field(description="of the place, length 1: a document's own where one stands there")
    confidence: float = Field(ge=0, le=1, description="how much the embeddings around agree; 1 on a document")
    outside: float = Field(ge=0, description="how far outside of the box around all documents, in its own units")
    neighbours: list[NeighbourDocument]


class Written(NamedTuple):
    """What writes texts, and what."""

    proposer: Proposer
    embed: Embed
    text: str
    how: GenerationParams


class Trained:
    """A run's --output-dir in memory."""

    def __init__(self, documents: Documents, model: MapModel, writer: Written | None) -> None:
        self.documents, self.model, self.writer = documents, model, writer
        self.emb = unit_vectors(documents)
        self.tree = KDTree(documents.places)

    @cached_property
    def width(self) -> float:
        return float(np.ptp(self.documents.places, axis=0).max())

    def around(self, place: Floats, k: int) -> tuple[Floats, np.ndarray[Any, Any]]:
        """Distances and rows, nearest first, of the k documents about a place [2]."""
        away, rows = self.tree.query(place[None], k=min(k, len(self.emb)))
        return away[0], rows[0]


class _Turns:
    """A lock that is given to who has waited longest: Python's own lets one thread take it again and again."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = self._served = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._changed:
            mine, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._served == mine)
        try:
            yield
        finally:
            with self._changed:
                self._served += 1
                self._changed.notify_all()


class EmbeddingToTextService:
    """Answers from one trained model; safe to be asked from several threads.

    llm: for llm_synthesis, a function from a prompt to a text, such as `openai_compatible` gives; without one the
    neighbours' own sentences are picked.  how: how texts are looked for; default: as in the run.
    """

    def __init__(self, llm: Ask | None = None, how: GenerationParams | None = None) -> None:
        self.llm = llm
        self.how = how
        self._trained: Trained | None = None
        self._writing = _Turns()

    def load_trained_model(self, path: Path | str) -> None:
        """Load the --output-dir of a run, which needs nothing else.

        Raises InputError where it is not whole: missing, damaged, or of documents or an embedder that others were.
        """
        folder = Path(path)
        documents, model = load_documents(folder / DOCUMENTS), load_map(folder / UMAP)
        _require_same(folder / DOCUMENTS, model.documents, "documents of the map")
        self._trained = Trained(documents, model, _writer(folder) if (folder / WRITER).is_dir() else None)

    @property
    def trained(self) -> Trained:
        """Raises InputError before `load_trained_model`."""
        if self._trained is None:
            raise InputError("No model is loaded. Call load_trained_model with the --output-dir of a run first.")
        return self._trained

    def generate_text_from_coordinates(self, request: EmbeddingToTextRequest) -> EmbeddingToTextResponse:
        """Raises ValueError for a place too far outside of the map, InputError where the model has no writer."""
        *_, last = self.rounds(request)
        return last

    def rounds(self, request: EmbeddingToTextRequest) -> Iterator[EmbeddingToTextResponse]:
        """The best answer after each round; the last is final. Raises as `generate_text_from_coordinates`."""
        trained, outside = self.trained, self._outside(np.array([request.x, request.y]))
        place = np.array([request.x, request.y], dtype=np.float32)
        embedding, confidence = self.embedding_at(place)
        away, rows = trained.around(place, NEIGHBOURS)
        neighbours = [_neighbour(trained.documents, row, float(far)) for far, row in zip(away, rows, strict=True)]

        def answer(result: TextGenerationResult) -> EmbeddingToTextResponse:
            return EmbeddingToTextResponse(
                x=request.x,
                y=request.y,
                text_generation_result=result,
                embedding=embedding.tolist(),
                confidence=confidence,
                outside=outside,
                neighbours=neighbours,
            )

        results = self._synthesised(rows, away) if request.method == "llm_synthesis" else self._written(embedding)
        for result in results:
            yield answer(result)

    def embedding_at(self, place: Floats) -> tuple[Floats, float]:
        """The unit vector [D] of a place [2], and its confidence: a document's own where one stands there."""
        trained = self.trained
        away, rows = trained.around(place, 1)
        if away[0] <= ON_A_DOCUMENT * trained.width:
            return trained.emb[rows[0]], 1.0
        unit, confidence = embeddings_at(trained.model.decoder, trained.model.scaler.standardised(place[None]))
        return unit[0], float(confidence[0])

    def place(self, emb: ArrayLike, method: Placing = "hybrid") -> Floats:
        """Places [n, 2] of embeddings [n, D] of new documents: among their nearest ones, or by the network, faster.

        Raises InputError where they are of another shape, or one of them has no direction.
        """
        trained = self.trained
        if method not in get_args(Placing):
            raise InputError(f"There is no method {method!r}: give {' or '.join(get_args(Placing))}.")
        vectors = _vectors(emb, trained.emb.shape[1])
        if not len(vectors):
            return np.empty((0, 2), dtype=np.float32)
        if method == "mlp":
            return trained.model.scaler.back(place_by_network(trained.model.encoder, unit(vectors)))
        return place_hybrid(unit(vectors), trained.emb, trained.documents.places)

    def _outside(self, place: np.ndarray[Any, Any]) -> float:
        """How far a place is from the box around all documents. Raises OutsideError beyond the margin."""
        places = self.trained.documents.places
        low, high = places.min(axis=0), places.max(axis=0)
        outside = float(np.hypot(*np.maximum(0, np.maximum(low - place, place - high))))
        if outside > MARGIN * self.trained.width:
            raise OutsideError(
                f"({place[0]:g}, {place[1]:g}) lies {outside:.3g} outside of the map, which spans {low[0]:.3g} to "
                f"{high[0]:.3g} and {low[1]:.3g} to {high[1]:.3g}: nothing is known there. Give a place nearer to it."
            )
        return outside

    def _written(self, embedding: Floats) -> Iterator[TextGenerationResult]:
        """A round at a time, so that requests take turns."""
        writer = self.trained.writer
        if writer is None:
            raise InputError(
                "The model was trained with --skip-vec2text, so it has no writer. Ask for llm_synthesis, or train one."
            )
        rounds = search(embedding[None], writer.proposer, writer.embed, self.how or writer.how)
        while True:
            with self._writing.turn():
                made = next(rounds, None)
            if made is None:
                return
            text = made.texts[0]
            title = text if writer.text == "title" else _cut(text)
            distance = float(1 - made.cosines[0])
            yield TextGenerationResult(
                title=title, text=text, method="vec2text", iterations=made.number, distance=distance
            )

    def _synthesised(self, rows: np.ndarray[Any, Any], away: Floats) -> Iterator[TextGenerationResult]:
        texts = self.trained.documents.texts
        some = texts[rows]
        neighbours = [
            Neighbour(one, title, content, float(far))
            for one, title, content, far in zip(some["document_id"], some["title"], some["content"], away, strict=True)
        ]
        title, text = synthesised(neighbours, self.llm)
        yield TextGenerationResult(title=title, text=text, method="llm_synthesis", iterations=0, distance=None)


def _vectors(emb: ArrayLike, dim: int) -> Floats:
    """[n, dim] float32. Raises InputError for what is none, or has a row without a direction."""
    try:
        with np.errstate(over="ignore"):
            vectors = np.asarray(emb, dtype=np.float32)
    except (TypeError, ValueError):
        vectors = np.empty(0, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise InputError(f"Embeddings are {list(vectors.shape)}, where numbers [n, {dim}] are needed.")
    lengths = np.linalg.norm(vectors, axis=1)
    if (wrong := ~np.isfinite(lengths) | (lengths == 0)).any():
        raise InputError(
            f"Row {int(np.argmax(wrong))} of the embeddings is zero or not finite, so it points nowhere. Embed it "
            "again or leave it out."
        )
    return vectors


def _writer(folder: Path) -> Written:
    proposer, config = load_writer(folder / WRITER)
    _require_same(folder / EMBEDDER, config["embedder"]["sha256"], "embedder of the writer")
    _require_same(folder / DOCUMENTS, config["documents"], "documents of the writer")
    try:
        how = GenerationParams.model_validate(json.loads((folder / GENERATION).read_text()))
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(f"{folder / GENERATION} cannot be read ({error}). Copy the whole folder again.") from None
    return Written(proposer, embed_with(folder / EMBEDDER), config["text"], how)


def _require_same(folder: Path, wanted: str, what: str) -> None:
    """Raise InputError where a folder's content is not what a model was trained with."""
    try:
        found = fingerprint(folder, follow_links=True)
    except (OSError, ArtifactError) as error:
        raise InputError(f"{folder} cannot be read ({error}). Copy the whole folder again.") from None
    if found != wanted:
        raise InputError(
            f"{folder} holds other than the {what} when it was trained, so its answers would be wrong. Copy the whole "
            "folder again, or run the flow with another --output-dir."
        )


def _neighbour(documents: Documents, row: int, away: float) -> NeighbourDocument:
    x, y = documents.places[row].tolist()
    one, title = documents.texts["document_id"][int(row)], documents.texts["title"][int(row)]
    return NeighbourDocument(document_id=one, title=title, x=x, y=y, distance=away)


def _cut(text: str) -> str:
    sentence = text.partition(". ")[0]
    return sentence if len(sentence) <= LONGEST_TITLE else f"{sentence[: LONGEST_TITLE - 1]}…"
