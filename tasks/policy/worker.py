"""One of the processes that train an arm: `python -m tasks.policy.worker JOB.json`, or torchrun with it."""

from collections.abc import Callable

from tasks.worker import main


def train(job: str, progress: Callable[[float], None]) -> None:
    """`train_arm` of a Job's JSON."""
    from tasks.policy.arm import Job, train_arm

    train_arm(Job.model_validate_json(job), progress)


if __name__ == "__main__":
    main(train)
