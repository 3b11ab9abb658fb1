"""What a task shows is not its work: without Prefect's server it goes on."""

import httpx
import pytest
from prefect import flow, task

from tasks import reporting
from tasks.reporting import progress, show_markdown, show_table


def nowhere(*_: object, **__: object) -> object:
    """What Prefect's client does where nothing listens."""
    return httpx.post("http://127.0.0.1:9/api/artifacts", timeout=5)


@task
def shows() -> str:
    with progress("work") as show:
        show(0.5)
        show_table("table", [{"a": 1}], "a table")
        show_markdown("text", "text", "a text")
    return "done"


@flow
def works() -> str:
    return shows()


@pytest.mark.parametrize("from_the_start", [True, False])
def test_a_server_that_is_gone_stops_no_work(
    from_the_start: bool, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "SECONDS_BETWEEN_UPDATES", 0.0)
    for name in ("update_progress_artifact", "create_table_artifact", "create_markdown_artifact"):
        monkeypatch.setattr(reporting, name, nowhere)
    if from_the_start:
        monkeypatch.setattr(reporting, "create_progress_artifact", nowhere)
    assert works() == "done"
