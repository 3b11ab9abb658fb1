"""Parameters of the map of documents and of the model that writes texts for embeddings."""

from typing import Literal

from pydantic import Field

from tasks.params import Params

Text = Literal["title", "content"]
Recipe = Literal["ours", "reference"]
Backend = Literal["small", "hf", "retrieve_edit"]


class DocumentsParams(Params):
    """Which documents a map is prepared of."""

    limit: int | None = Field(None, ge=10, description="documents at most, drawn by seed; none: all")
    neighbours: int = Field(15, ge=2, description="of UMAP, which gives coordinates")
    min_dist: float = Field(0.1, ge=0, le=1, description="of UMAP: how near points of the map may come")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the draw, the layout, the split and all training")


class PlacingParams(Params):
    """How embeddings are learnt to places, and places to embeddings."""

    epochs: int = Field(100, ge=1, description="passes over the training documents, of each network")
    batch_size: int = Field(32, ge=2, description="documents, or texts, a step")
    seed: int = Field(0, ge=0, lt=2**31)


class WritingParams(Params):
    """How a model learns to write a text of a given embedding."""

    backend: Backend = Field(
        "small",
        description="small: a few million parameters from scratch; hf: a checkpoint (vec2text-model) behind a trained "
        "projection; retrieve_edit: no network, the nearest texts' words exchanged",
    )
    text: Text = Field("title", description="what is written: titles or contents")
    epochs: int = Field(3, ge=1, description="passes over the training texts")
    batch_size: int = Field(32, ge=2)
    max_length: int = Field(300, ge=2, description="tokens of a text at most")
    vocabulary: int = Field(6144, ge=300, description="small: tokens of its tokenizer")
    hidden: int = Field(256, ge=16, multiple_of=8, description="small: numbers in a state")
    layers: int = Field(3, ge=1, description="small: layers of its decoder")
    pseudo_tokens: int = Field(4, ge=1, description="as how many tokens a model reads an embedding")
    seed: int = Field(0, ge=0, lt=2**31)


class GenerationParams(Params):
    """How a text is looked for."""

    num_beams: int = Field(4, ge=1, description="beams of the first round, beside samples")
    samples: int = Field(16, ge=0, description="texts sampled a round")
    temperature: float = Field(0.7, gt=0, description="of samples")
    top_k: int = Field(40, ge=1, description="of samples: tokens to choose from")
    max_length: int = Field(300, ge=2, description="tokens of a text at most")
    max_correction_iterations: int = Field(5, ge=0, description="rounds after the first")
    embedding_tolerance: float = Field(0.1, ge=0, le=2, description="1 - cosine at which rounds end")
    seed: int = Field(0, ge=0, lt=2**31)
