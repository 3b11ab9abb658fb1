"""Prefect's server with two things mended: `python -m flows.server --port 4200`.

Its transactions on SQLite wait for each other. Prefect 3.8.8 begins them as DEFERRED. One that reads and then writes
fails at once where another wrote in between ("database is locked"); automations lose events, and what failures
leave behind stalls the whole server for 60 seconds. Begun as IMMEDIATE they queue. With 16 runs waiting and 4 at once:
87 failures, one event lost, a stall of a minute; so begun none. Postgres is not touched.

An event that follows one which only an earlier server saw waits half a minute for it, not 15: it tells that a run which
a restart outlived has crashed, and until then nothing goes on.
"""

import sys
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from prefect.cli import app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.events.ordering import memory
from sqlalchemy.ext.asyncio import AsyncSession

LONGEST_WAIT_FOR_A_LEADER = timedelta(seconds=30)
_begin = AioSqliteConfiguration.begin_transaction


def begin_immediate(
    self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = True
) -> AbstractAsyncContextManager[Any]:
    """In the place of Prefect's own, which leaves that to each caller."""
    return _begin(self, session, with_for_update=True)


if __name__ == "__main__":
    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[assignment]
    memory.PRECEDING_EVENT_LOOKBACK = LONGEST_WAIT_FOR_A_LEADER  # type: ignore[attr-defined]
    sys.argv[1:1] = ["server", "start"]
    app()
