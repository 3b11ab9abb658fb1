"""What runs mapped tasks: Prefect's threads by default, or Dask for many machines."""

from typing import Any


def dask(address: str | None, workers: int) -> Any:
    """A runner on the Dask scheduler at an address, or on a local cluster of processes.

    Workers read and write `data/` of the folder that they were started in: machines must share it.
    """
    from prefect_dask.task_runners import DaskTaskRunner

    if address:
        return DaskTaskRunner(address=address)
    return DaskTaskRunner(
        cluster_kwargs={"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
    )
