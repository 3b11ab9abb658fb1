"""The reward of an answer: the checker's verdict where there is one, and the reward model's score."""

from collections.abc import Sequence

from pydantic import Field

from tasks.checker import check
from tasks.params import Params


class RewardMix(Params):
    """How checker and reward model add up."""

    checker_weight: float = Field(1.0, ge=0, description="weight of the checker's verdict (1 right, 0 wrong)")
    model_weight: float = Field(0.05, ge=0, description="weight of the reward model beside a checker; alone it is 1")

    def of_model(self, meta: str | None) -> float:
        """The weight of the reward model's score for a prompt with or without a checker."""
        return 1.0 if meta is None else self.model_weight


def verdicts(metas: Sequence[str | None], answers: Sequence[str]) -> list[float | None]:
    """1 where the checker finds an answer right, 0 where wrong, None where the prompt has no checker."""
    return [
        None if meta is None else float(check(meta, answer.strip()))
        for meta, answer in zip(metas, answers, strict=True)
    ]
