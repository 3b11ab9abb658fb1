from typing import Self

from pydantic import Field, field_validator, model_validator

from tasks.params import Params


class FamilyShares(Params):
    """How frequent the λ families are among the pairs: unequal on purpose, so that something is rare."""

    one_step: float = Field(0.45, ge=0, description="the leftmost-outermost step")
    any_step: float = Field(0.30, ge=0, description="any step")
    make_normal: float = Field(0.12, ge=0, description="make a normal form of a given size")
    make_reduces: float = Field(0.09, ge=0, description="make a term that reduces to a given one")
    make_redexes: float = Field(0.04, ge=0, description="make a term with so many redexes")

    @model_validator(mode="after")
    def _sum_to_something(self) -> Self:
        if sum(self.model_dump().values()) <= 0:
            raise ValueError("at least one family needs a share above 0")
        return self


class PairsParams(Params):
    """Preference pairs from λ-terms, files and datasets."""

    sources: list[str] = Field(
        ["lambda"],
        min_length=1,
        description="lambda, file:PATH (.jsonl[.gz], .parquet, .csv), hf:DATASET[:config][:split]",
    )
    limit: int | None = Field(
        None, ge=1, description="pairs at most: a seeded sample over prompts, sources in equal parts"
    )
    skip_bad: bool = Field(False, description="drop bad rows into bad_rows.jsonl, and count them, instead of stopping")
    max_chars: int = Field(20_000, ge=1, description="characters of a prompt or an answer at most; longer ones are bad")
    eval_share: float = Field(0.1, gt=0, lt=1, description="share of prompts that are held out, by their hash")
    seed: int = Field(0, ge=0, description="seed of the λ pairs and of the sample")
    count: int = Field(12_000, ge=1, description="λ pairs to make")
    families: FamilyShares = FamilyShares()
    normal_share: float = Field(
        0.15, ge=0, lt=1, description="share of step prompts whose term has no redex (answer: normal form)"
    )
    term_chars: int = Field(24, ge=5, description="characters of a term in a λ prompt or answer at most")
    make_min_size: int = Field(3, ge=3, description="nodes of a normal form to make at least")
    make_max_size: int = Field(10, ge=3, le=24, description="nodes of a normal form to make at most")
    target_size: int = Field(6, ge=2, description="nodes of a term to be reduced to at most")
    max_redexes: int = Field(3, ge=1, le=6, description="redexes of a term to make at most")

    @field_validator("sources")
    @classmethod
    def _known_sources(cls, sources: list[str]) -> list[str]:
        for source in sources:
            kind, _, rest = source.partition(":")
            if source != "lambda" and not (kind in {"file", "hf"} and rest):
                raise ValueError(f"{source!r} is no source; give lambda, file:PATH or hf:DATASET[:config][:split]")
        if len(set(sources)) < len(sources):
            raise ValueError("a source is given twice; name each once")
        return sources

    @model_validator(mode="after")
    def _sizes_are_ordered(self) -> Self:
        if self.make_min_size > self.make_max_size:
            raise ValueError(f"make_min_size={self.make_min_size} is above make_max_size={self.make_max_size}")
        return self
