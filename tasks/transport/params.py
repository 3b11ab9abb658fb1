"""Parameters of the transport stage."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.errors import InputError
from tasks.params import Params
from tasks.token_vectors import TokenDtype
from tasks.tracking import Tracked

Distribution = Literal["separate", "affine", "coupled"]


class RandomPairsParams(Params):
    """Sequences of token vectors on two sides, drawn from Gaussians whose optimal map is known."""

    distribution_type: Distribution = Field(
        "separate",
        description="separate: two Gaussians that know nothing of each other; affine: Lean = A NL + b + noise, A a "
        "scaled rotation, so the pairing is not the optimal map; coupled: Lean = NL + noise",
    )
    num_samples: int = Field(64, ge=1, description="sequences on each side")
    min_len: int = Field(32, ge=1, description="tokens of a sequence at least; both sides have the same number")
    max_len: int = Field(128, ge=1, description="tokens of a sequence at most; lengths are uniform")
    hidden_dim: int = Field(2048, ge=1, le=8192, description="numbers in a token vector")
    seed: int = Field(0, ge=0, lt=2**63, description="seed; with more samples the first ones stay the same")
    mean_shift: float = Field(2.0, description="separate, affine: added to every number of the Lean mean")
    nl_cov_scale: float = Field(1.0, gt=0, description="variance of every number on the NL side")
    lean_cov_scale: float = Field(1.5, gt=0, description="separate: variance of every number on the Lean side")
    affine_scale: float = Field(0.8, gt=0, description="affine: by what A stretches")
    rotation_angle: float = Field(0.3, description="affine: radians by which A turns each plane of two numbers")
    noise_scale: float = Field(0.05, ge=0, description="affine, coupled: standard deviation of the noise")
    token_dtype: TokenDtype = Field("float32", description="numbers on disk")

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        if self.min_len > self.max_len:
            raise ValueError(f"min-len {self.min_len} is over max-len {self.max_len}: no length lies between them")
        if self.distribution_type == "affine" and self.hidden_dim < 2:
            raise ValueError("affine turns planes of two numbers: hidden-dim must be 2 at least")
        return self


Method = Literal["enot", "mmr", "icnn"]
SECTION = "neural_ot"


class SplitParams(Params):
    """Which sequences are learnt from and which judge."""

    test_share: float = Field(0.2, gt=0, lt=0.5, description="share of the sequences that the report is of")
    validation_share: float = Field(0.1, gt=0, lt=0.5, description="share of the sequences that choose the map")
    max_tokens: int = Field(
        100_000, ge=100, description="tokens of a part at most; sequences beyond are left out by lot"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the split, the networks and the batches")


class FitParams(SplitParams, Tracked):
    """How a map is learnt."""

    steps: int = Field(1000, ge=1, description="optimizer steps, each on a batch of both sides")
    batch: int | None = Field(
        None, ge=2, description="tokens of each side a step; default: 8 for each coordinate of rank, 256 at least"
    )
    learning_rate: float = Field(0.02, gt=0, description="of Muon, which learns matrices; a tenth is Adam's")
    rank: int = Field(
        64, ge=1, description="balanced coordinates that networks see, the largest first; beyond, the map is linear"
    )


class TransportParams(FitParams):
    """What is learnt and what is compared."""

    methods: list[Method] = Field(["enot"], description="maps to learn: enot, mmr, icnn; the best is kept, if it fits")
    emd_tokens: int = Field(
        2000, ge=2, le=10_000, description="tokens of each side between which the exact plan is found"
    )

    @field_validator("methods")
    @classmethod
    def _each_once(cls, methods: list[Method]) -> list[Method]:
        if len(set(methods)) != len(methods):
            raise ValueError(f"methods names one twice: {', '.join(methods)}")
        return methods

    @property
    def split(self) -> SplitParams:
        return SplitParams.model_validate(self.model_dump(include=set(SplitParams.model_fields)))

    @property
    def fit(self) -> FitParams:
        return FitParams.model_validate(self.model_dump(include=set(FitParams.model_fields)))


class TransportConfig(TransportParams):
    """The section `neural_ot` of a project's YAML."""

    nl_embeddings: Path = Field(description="Parquet of id and hidden, a list of token vectors: what is moved")
    lean_embeddings: Path = Field(description="Parquet of the same ids, each with as many tokens: where to")
    hidden_dim: int = Field(ge=1, description="numbers in a token vector")
    truth: Path | None = Field(
        None, description="safetensors of ot_matrix and ot_bias, where the true map is known: for the report only"
    )

    @field_validator("nl_embeddings", "lean_embeddings", "truth")
    @classmethod
    def _a_file(cls, path: Path | None) -> Path | None:
        if path == Path():
            raise ValueError("it is empty: give a file")
        return path

    @property
    def transport(self) -> TransportParams:
        return TransportParams.model_validate(self.model_dump(include=set(TransportParams.model_fields)))


def read_config(path: Path, wandb: bool = True) -> TransportConfig:
    """The section of a YAML file; its other sections are other programs'.

    wandb: False keeps figures from wandb, whatever the file says.
    Raises InputError for a file that cannot be read, and for a section that is missing or wrong.
    """
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # the second of dates that are none
        raise InputError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}). Give a config.") from None
    section = config.get(SECTION) if isinstance(config, dict) else None
    if not isinstance(section, dict):
        raise InputError(
            f"{path} has no section {SECTION}, so there is nothing to transport. Give {SECTION}: {{nl_embeddings: …, "
            "lean_embeddings: …, hidden_dim: …}."
        )
    try:
        return TransportConfig.model_validate(section if wandb else _without_wandb(section))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "section"
        said = fault["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{path}: {SECTION}.{where}: {said}. Keys: {', '.join(TransportConfig.model_fields)}."
        ) from None


def _without_wandb(section: dict[str, Any]) -> dict[str, Any]:
    return {**section, "tracker": "none"} if section.get("tracker") == "wandb" else section
