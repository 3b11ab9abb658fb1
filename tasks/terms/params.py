from typing import Self

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
