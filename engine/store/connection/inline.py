"""SQLite without trips between threads.

Each call of an asynchronous SQLite driver crosses to the driver's thread and back, some four times a statement. Where
the caller already is in a thread that may wait, or the query is a look-up of microseconds, the same store functions
run here on a plain connection instead: nothing in them waits, so they run through at once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Dialect, Executable
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")
Work = Callable[[AsyncConnection], Coroutine[Any, Any, T]]


class Inline:
    """The part of an `AsyncConnection` that store functions use, on a plain connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        return self._connection.execute(statement, parameters)

    async def exec_driver_sql(self, statement: str, parameters: Sequence[Any] = ()) -> Iterable[Any]:
        """By the driver alone, whose errors it raises: what SQLAlchemy adds takes longer than a look-up."""
        driver = self._connection.connection.driver_connection
        return cast(Iterable[Any], cast(Any, driver).execute(statement, parameters))


def run_through(work: Work[T], connection: Connection) -> T:
    """The result of `work`, which must wait for nothing but this connection."""
    coroutine = work(cast(AsyncConnection, Inline(connection)))
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coroutine.close()
    raise RuntimeError("the work waited for something else than its connection")
