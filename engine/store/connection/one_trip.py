"""SQLite's asynchronous driver, with one trip to its thread a statement.

By itself the driver makes four: for a cursor, the statement, its rows and the cursor's end. Each costs some 30 us of
processor time, more than most statements.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, cast

import aiosqlite


class OneTripCursor:
    """The part of the driver's cursor that SQLAlchemy uses: it asks for all rows at once, right after the statement."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = None
        self._rows: list[Any] = []

    async def __aenter__(self) -> OneTripCursor:
        return self

    @property
    def description(self) -> Any:
        return None if self._cursor is None else self._cursor.description

    @property
    def rowcount(self) -> int:
        return -1 if self._cursor is None else self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return None if self._cursor is None else self._cursor.lastrowid

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        await self._run(lambda cursor: cursor.execute(statement, parameters))

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._run(lambda cursor: cursor.executemany(statement, parameters))

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        self._rows = []

    async def _run(self, statement: Callable[[sqlite3.Cursor], object]) -> None:
        connection = cast(Any, self._connection)

        def run() -> None:
            cursor = self._cursor = connection._conn.cursor()
            try:
                statement(cursor)
                self._rows = cursor.fetchall() if cursor.description else []
            finally:
                cursor.close()

        await connection._execute(run)


class OneTripConnection(aiosqlite.Connection):
    """A connection of the driver whose cursors make one trip a statement."""

    def cursor(self) -> OneTripCursor:  # type: ignore[override]
        return OneTripCursor(self)


def connect(path: str, **options: Any) -> aiosqlite.Connection:
    """Return a connection of the driver, to be awaited; `options` are those of `sqlite3.connect`."""
    connection = OneTripConnection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    # As with SQLAlchemy's own: a connection left open keeps no process alive.
    cast(Any, connection)._thread.daemon = True
    return connection


ONE_TRIP: dict[str, Any] = {"async_creator_fn": connect}
"""For `connect_args` of an asynchronous SQLite engine."""
