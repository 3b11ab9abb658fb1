"""Transactions of Prefect's server on SQLite."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy import text

from flows.server import begin_immediate


def test_a_transaction_that_has_only_read_keeps_others_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So none fails when it comes to write itself."""
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", begin_immediate)
    config = AioSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path}/prefect.db")

    async def reads() -> None:
        session = await config.session(await config.engine())
        async with session, config.begin_transaction(session, with_for_update=False):
            await session.execute(text("SELECT 1"))
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                sqlite3.connect(tmp_path / "prefect.db", timeout=0).execute("BEGIN IMMEDIATE")

    asyncio.run(reads())
