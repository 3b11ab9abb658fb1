from pydantic import Field

from tasks.tracking import Tracked


class RewardParams(Tracked):
    """The reward model: which of two answers is preferred."""

    max_steps: int = Field(200, ge=1, description="optimizer steps at most")
    max_epochs: float = Field(4, gt=0, description="passes over the data at most")
    max_tokens: int | None = Field(
        400_000, ge=1, description="tokens to train on at most, padding aside: what bounds a run on long texts"
    )
    batch: int = Field(32, ge=1, description="pairs a step")
    learning_rate: float = Field(5e-4, gt=0, description="peak learning rate, linear decay with 5 % warm-up")
    max_length: int = Field(512, ge=8, description="tokens of prompt and answer; longer pairs are left out and counted")
    save_steps: int = Field(100, ge=1, description="steps between checkpoints")
    seed: int = Field(0, ge=0, description="seed of the head's weights and of the order")
