"""One of the processes that train a reducer: `python -m tasks.reducer.worker JOB.json`, or torchrun with it."""

from collections.abc import Callable

from tasks.worker import main


def train_job(job: str, progress: Callable[[float], None]) -> None:
    """`train` of a Job's JSON."""
    from tasks.reducer.train import Job, train

    train(Job.model_validate_json(job), progress)


if __name__ == "__main__":
    main(train_job)
