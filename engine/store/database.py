"""The two ways to the database: one connection that writes, many that read.

SQLite: WAL, `synchronous=FULL`, one writer that takes its lock at `BEGIN`, so no transaction fails half-way for
want of it. PostgreSQL: one pool serves both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
    "PRAGMA cache_size=-65536",
    "PRAGMA mmap_size=1073741824",
    "PRAGMA temp_store=MEMORY",
)


# A query of its own needs no transaction around it; leaving it out saves two trips to the driver's thread.
_EACH_QUERY_ALONE: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


class Database:
    """Connections for writing (`write`, one transaction) and for reading (`read`)."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader
        self.is_sqlite = writer.dialect.name == "sqlite"

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction; it is committed when the block ends well and rolled back otherwise."""
        async with self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """For many queries that must see the same moment; holds up nobody."""
        async with self.read() as connection:
            await connection.execute(text("BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ"))
            try:
                yield connection
            finally:
                await connection.execute(text("ROLLBACK"))

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


def sqlite_url(folder: str) -> str:
    return f"sqlite+aiosqlite:///{Path(folder).resolve() / 'tap2.sqlite'}"


def open_database(url: str) -> Database:
    """`url` is an SQLAlchemy URL for aiosqlite or asyncpg."""
    if url.startswith("sqlite"):
        writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=60)
        reader = create_async_engine(url, pool_size=4, max_overflow=4, **_EACH_QUERY_ALONE)
        _prepare(writer)
        _prepare(reader)
        _lock_at_begin(writer)
        return Database(writer, reader)
    return Database(
        create_async_engine(url, pool_size=5, max_overflow=10, pool_pre_ping=True),
        create_async_engine(url, pool_size=5, max_overflow=10, pool_pre_ping=True, **_EACH_QUERY_ALONE),
    )


def _prepare(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()


def _lock_at_begin(engine: AsyncEngine) -> None:
    """The driver would begin late and without the lock, and fail half-way where another process writes."""

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
