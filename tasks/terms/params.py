import math
from typing import Literal, Self

import lambda_gen_rs as lam
from pydantic import Field, model_validator

from tasks.params import HOW, Params


class TermsParams(Params):
    """Closed λ-terms and their reductions, small enough for the prompts of a small model."""

    rows: int = Field(40_000, ge=1, description="terms, all different, each with its leftmost-outermost next one")
    min_size: int = Field(4, ge=2, description="nodes of a root at least")
    max_size: int = Field(11, ge=2, description="nodes of a root at most")
    max_depth: int = Field(10, ge=1, description="edges from the root to the deepest node at most")
    size_limit: int = Field(
        16, ge=2, description="nodes of a term within a reduction at most; larger ones are left out"
    )
    max_steps: int = Field(100, ge=1, description="steps after which a reduction is cut")
    seed: int = Field(0, ge=0, lt=2**64, description="seed of the terms")
    workers: int = Field(2, ge=1, description="threads; the result does not depend on them", json_schema_extra=HOW)

    @model_validator(mode="after")
    def _sizes_are_ordered(self) -> Self:
        if not self.min_size <= self.max_size <= self.size_limit:
            raise ValueError(
                f"min_size={self.min_size}, max_size={self.max_size}, size_limit={self.size_limit} must not fall"
            )
        return self


class RunParams(Params):
    """A whole run of reduction steps in parts, split, without duplicates, its coverage by construction."""

    examples: int = Field(
        250_000,
        ge=1,
        le=10**9,
        description="rows over all splits, one reduction step each; met exactly; 12 to 24 bytes of memory each",
    )
    profile: Literal["covering", "shallow", "naive", "shallow_naive", "ood"] = Field(
        "covering",
        description="roots: covering (ten cycles, depth 6-15, up to 80-200 nodes), shallow (five, depth 6-10, up to "
        "80-120), naive and shallow_naive (plain grammar walks in the same limits), ood (depth 16-18, 200-250 nodes)",
    )
    size_limit: int = Field(250, ge=2, le=10_000, description="nodes of a row's term at most; longer ones are left out")
    max_steps: int = Field(1000, ge=1, le=100_000, description="steps after which a reduction is cut")
    format: Literal["parquet", "jsonl"] = Field("parquet", description="Parquet (zstd), or JSON lines with meta nested")
    val_share: float = Field(0.01, ge=0, le=1, description="share of the roots whose traces are for validation")
    test_share: float = Field(0.01, ge=0, le=1, description="share of the roots whose traces are for tests")
    workers: int = Field(
        2,
        ge=1,
        le=64,
        json_schema_extra=HOW,
        description="threads or processes, about 20 MB each; no byte depends on them",
    )

    @model_validator(mode="after")
    def _can_be_ordered(self) -> Self:
        self.spec(seed=0)
        return self

    def parts_for(self, rows: int) -> int:
        """Parts that will hold so many rows, or nearly: duplicates take some of a part's 250,000."""
        return math.ceil(1.08 * rows / 250_000)

    def spec(self, seed: int) -> lam.RunSpec:
        """The run as lambda_gen_rs takes it. Raises LambdaError (a ValueError) where it contradicts itself."""
        return lam.RunSpec(seed=seed, **self.model_dump(include=set(RunParams.model_fields) - {"workers"}))
