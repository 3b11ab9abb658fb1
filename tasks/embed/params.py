"""Parameters of the embed stage."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from tasks.params import HOW, Params


class EmbedParams(Params):
    """How prompts become vectors. The model itself is an input: its content decides the result, not its path."""

    encoder: str = Field(
        "policy",
        min_length=1,
        description="policy (the flow's own language model), minilm (all-MiniLM-L6-v2, needs no network), "
        "or the name or path of a sentence-transformers model",
    )
    ckpt_source: Literal["base", "sft", "grpo"] = Field(
        "sft",
        json_schema_extra=HOW,
        description="for policy: the model before SFT, after it, or an earlier run's arm (--embed.grpo-model)",
    )
    grpo_model: str | None = Field(
        None,
        json_schema_extra=HOW,
        description="folder of an earlier run's arm, such as data/out/kat/policy_density",
    )
    centre: bool = Field(True, description="for policy: take the set's mean away before vectors get unit length")
    batch_tokens: int = Field(
        8192, ge=1, json_schema_extra=HOW, description="tokens in a batch, padding included; changes no vector"
    )
    threads: int | None = Field(None, ge=1, json_schema_extra=HOW, description="CPU threads; default: all cores")

    @field_validator("grpo_model")
    @classmethod
    def _given_for_grpo(cls, path: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("ckpt_source") == "grpo" and not path:
            raise ValueError("--embed.ckpt-source grpo needs the folder of an earlier run's arm")
        if path and info.data.get("ckpt_source") in {"base", "sft"}:
            raise ValueError(f"it is read with --embed.ckpt-source grpo only, not with {info.data['ckpt_source']}")
        return path
