"""Parameters of the transport stage."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.params import Params
from tasks.token_vectors import TokenDtype

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
