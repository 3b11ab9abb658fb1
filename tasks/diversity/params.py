from typing import Literal

from pydantic import Field

from tasks.params import Params

SpreadBy = Literal["minilm", "sft"]
"""Whose vectors tell how far answers spread: not those that the weights came from."""


class DiversityParams(Params):
    """How outputs are sampled on held-out prompts, and compared."""

    prompts: int = Field(300, ge=2, description="held-out prompts, balanced by source")
    completions: int = Field(8, ge=2, description="completions of each prompt")
    max_completion: int = Field(32, ge=1, description="tokens of a completion")
    max_prompt: int = Field(512, ge=8, description="tokens of a prompt; longer ones are not asked, and counted")
    temperature: float = Field(1.0, gt=0, description="sampling temperature")
    token_budget: int = Field(500, ge=10, description="tokens in each run over which the vocabulary ratio is taken")
    resamples: int = Field(1000, ge=100, description="bootstrap resamples of prompts behind each interval")
    seed: int = Field(0, ge=0, description="seed of the choice of prompts, of sampling and of resampling")
