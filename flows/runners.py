"""What runs mapped tasks: Prefect's threads by default, or Dask for many machines."""

from typing import Any

from tasks.errors import InputError

SECONDS_TO_ANSWER = 10


def dask(address: str | None, workers: int) -> Any:
    """A runner on the Dask scheduler at an address, or on a local cluster of processes.

    Workers read and write `data/` of the folder that they were started in: machines must share it.
    """
    from prefect_dask.task_runners import DaskTaskRunner

    if address:
        _require_scheduler(address)
        return DaskTaskRunner(address=address)
    return DaskTaskRunner(
        cluster_kwargs={"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
    )


def _require_scheduler(address: str) -> None:
    from distributed import Client

    try:
        Client(address, timeout=SECONDS_TO_ANSWER).close()
    except (OSError, ValueError) as error:
        raise InputError(
            f"--dask-address {address}: no Dask scheduler answers there ({error}). Start one and its workers in this "
            "folder, or leave the flag out for a cluster of this machine's own."
        ) from None
