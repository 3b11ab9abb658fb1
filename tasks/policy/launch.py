"""An arm in processes of its own."""

from collections.abc import Callable

from tasks.launch import Trainers, train_in_processes
from tasks.policy.arm import Job
from tasks.policy.params import PolicyParams


def train_arm_apart(job: Job, progress: Callable[[float], None]) -> None:
    """`train_arm` in `num_processes` processes, with the same files; raises what `train_in_processes` does."""
    train_in_processes(trainers(job.arm, job.params), job.model_dump_json(), job.work, progress)


def trainers(arm: str, params: PolicyParams) -> Trainers:
    """The processes of an arm."""
    return Trainers(arm, "tasks.policy.worker", params.num_processes, params.side_by_side)
