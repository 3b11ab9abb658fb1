"""A run's length is the tightest of its limits."""

import pytest

from tasks.training import steps_to_train


@pytest.mark.parametrize(
    ("limits", "steps"),
    [
        ({"max_steps": 7}, 7),
        ({"max_steps": 100, "max_epochs": 2}, 20),  # 100 examples in batches of 10
        ({"max_steps": 100, "max_epochs": 0.01}, 1),
        ({"max_steps": 100, "max_tokens": 1000}, 5),  # 10 examples of 20 tokens a step
        ({"max_steps": 100, "max_epochs": 3, "max_tokens": 10**9}, 30),
        ({"max_steps": 100, "max_tokens": 1}, 1),
    ],
)
def test_the_tightest_limit_counts(limits: dict[str, float], steps: int) -> None:
    assert steps_to_train([20] * 100, 10, **limits) == steps
