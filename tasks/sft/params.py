from typing import Self

from pydantic import Field, model_validator

from tasks.tracking import Tracked


class SftParams(Tracked):
    """Supervised training of the model that the reward model and the policies start from."""

    model: str | None = Field(
        None, description="HF model folder or hub name to start from; none: a small one made here"
    )
    hidden: int = Field(128, ge=16, description="width of the small model")
    layers: int = Field(4, ge=1, description="layers of the small model")
    heads: int = Field(4, ge=1, description="attention heads of the small model; must divide its width")
    vocabulary: int = Field(1024, ge=300, description="tokens of the small model's own tokenizer")
    max_steps: int = Field(1000, ge=1, description="optimizer steps at most")
    max_epochs: float = Field(8, gt=0, description="passes over the data at most")
    max_tokens: int | None = Field(
        2_500_000, ge=1, description="tokens to train on at most, padding aside: what bounds a run on long texts"
    )
    batch: int = Field(64, ge=1, description="examples a step")
    learning_rate: float = Field(3e-3, gt=0, description="peak learning rate, cosine with 5 % warm-up")
    max_length: int = Field(256, ge=8, description="tokens of prompt and answer; longer examples are left out")
    save_steps: int = Field(200, ge=1, description="steps between checkpoints")
    seed: int = Field(0, ge=0, description="seed of weights and order")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden={self.hidden} must be a multiple of twice the heads ({self.heads})")
        return self
