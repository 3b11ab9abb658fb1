"""Parameters of the embed stage."""

from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tasks.cpu import cpu_has_bfloat16
from tasks.params import HOW, Params
from tasks.token_vectors import TokenDtype

POLICY = "policy"
Dtype = Literal["auto", "float32", "bfloat16"]


class Encoding(Params):
    """What, beside the model, decides a text's vector before it is made one of a set."""

    shard: ClassVar[str] = "shard.parquet"
    states: bool = Field(description="the mean of a language model's last states; else a sentence model's vector")
    dtype: Literal["float32", "bfloat16"]
    batch_tokens: int = Field(ge=1, json_schema_extra=HOW)
    threads: int | None = Field(ge=1, json_schema_extra=HOW)


class TokenEncoding(Params):
    """What, beside the model, decides a text's token vectors."""

    shard: ClassVar[str] = "token_shard"
    layer: int | None = Field(
        None,
        ge=0,
        description="with --tokens: hidden layer whose states are the vectors, 0: the embeddings; default: the last",
    )
    token_dtype: TokenDtype = Field("float32", description="with --tokens: numbers on disk; computed in float32")
    batch_tokens: int = Field(2048, ge=1, json_schema_extra=HOW)
    threads: int | None = Field(None, ge=1, json_schema_extra=HOW)


class EmbedParams(Params):
    """How prompts become vectors. The model itself is an input: its content decides the result, not its path."""

    encoder: str = Field(
        POLICY,
        min_length=1,
        description="policy (the flow's own language model), minilm (all-MiniLM-L6-v2, needs no network), "
        "or the name or path of a sentence-transformers model",
    )
    ckpt_source: Literal["base", "sft", "grpo"] = Field(
        "sft",
        json_schema_extra=HOW,
        description="for policy: the model before SFT, after it, or an earlier run's arm (grpo-model)",
    )
    grpo_model: str | None = Field(
        None,
        json_schema_extra=HOW,
        description="folder of an earlier run's arm, such as data/out/kat/policy_density",
    )
    centre: bool = Field(True, description="for policy: take the set's mean away before vectors get unit length")
    normalize: bool = Field(True, description="give vectors length 1; some sentence models do so by themselves")
    dtype: Dtype = Field(
        "auto",
        json_schema_extra=HOW,
        description="numbers that a sentence model computes with; auto: bfloat16 where the CPU has it, and for the "
        "texts of a shard only if a sample's cosine to float32 is 0.9999 at least. A policy's states are float32",
    )
    batch_tokens: int = Field(
        2048, ge=1, json_schema_extra=HOW, description="tokens in a batch; changes no vector beyond rounding"
    )
    threads: int | None = Field(
        None, ge=1, json_schema_extra=HOW, description="CPU threads; default: all, in float32 one where that is faster"
    )

    @field_validator("grpo_model")
    @classmethod
    def _given_for_grpo(cls, path: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("ckpt_source") == "grpo" and not path:
            raise ValueError("ckpt-source grpo needs the folder of an earlier run's arm")
        if path and info.data.get("ckpt_source") in {"base", "sft"}:
            raise ValueError(f"it is read with ckpt-source grpo only, not with {info.data['ckpt_source']}")
        return path

    @model_validator(mode="after")
    def _policies_own(self) -> Self:
        if self.encoder != POLICY and self.ckpt_source != "sft":
            raise ValueError(f"ckpt-source {self.ckpt_source} is of the encoder policy, not of {self.encoder}")
        if self.encoder == POLICY and self.dtype == "bfloat16":
            raise ValueError(
                "a policy's states are nearly parallel, and what is left after centring would be bfloat16's rounding; "
                "give dtype float32 or auto"
            )
        return self

    @property
    def encoding(self) -> Encoding:
        """What the store knows vectors by, on this machine."""
        states = self.encoder == POLICY
        auto = "float32" if states or not cpu_has_bfloat16() else "bfloat16"
        return Encoding(
            states=states,
            dtype=auto if self.dtype == "auto" else self.dtype,
            batch_tokens=self.batch_tokens,
            threads=self.threads,
        )
