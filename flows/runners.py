"""What runs mapped tasks: Prefect's threads by default, or Dask for many machines."""

from importlib.util import find_spec
from typing import Any

from tasks.errors import InputError

SECONDS_TO_ANSWER = 10


def dask(address: str | None, workers: int) -> Any:
    """A runner on the Dask scheduler at an address, or on a local cluster of processes.

    Scheduler and workers are to be started in a checkout of the same commit with `PYTHONPATH=. dask …`: they import its
    tasks, and read and write its `data/`, which machines must share.
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
        with Client(address, timeout=SECONDS_TO_ANSWER) as client:
            found = {"scheduler": client.run_on_scheduler(find_spec, "tasks"), **client.run(find_spec, "tasks")}
    except (OSError, ValueError) as error:
        raise InputError(
            f"--dask-address {address}: no Dask scheduler answers there ({error}). Start one and its workers in this "
            "folder with `PYTHONPATH=. dask …`, or leave the flag out for a cluster of this machine's own."
        ) from None
    if without := [name for name, spec in found.items() if spec is None]:
        raise InputError(
            f"--dask-address {address}: {', '.join(without)} cannot import this checkout's tasks, so nothing could be "
            "run there. Start it in a checkout of this commit with `PYTHONPATH=. dask …`."
        )
