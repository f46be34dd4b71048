"""Load for many requests at once: all requests made while a query runs share the next query."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.inline import Work

Key = TypeVar("Key")
Value = TypeVar("Value")


class LookUps(Protocol):
    """The interface of a database that a loader needs."""

    async def look_up(self, work: Work[Any]) -> Any: ...


class BatchLoader(Generic[Key, Value]):
    """Reads values by key; `read` returns the values of many keys, and `missing` makes that of a key it leaves out."""

    def __init__(
        self,
        database: LookUps,
        read: Callable[[AsyncConnection, Sequence[Key]], Coroutine[Any, Any, Mapping[Key, Value]]],
        missing: Callable[[], Value],
    ) -> None:
        self._database = database
        self._read = read
        self._missing = missing
        self._pending: dict[Key, list[asyncio.Future[Value]]] = {}
        self._task: asyncio.Task[None] | None = None

    def load(self, key: Key) -> asyncio.Future[Value]:
        """Return a future of the value of a key."""
        # One future a request: a request that gives up cancels what it waits for, and nobody else's.
        future: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._pending.setdefault(key, []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="batch loader")
        return future

    async def _run(self) -> None:
        while self._pending:
            pending, self._pending = self._pending, {}
            try:
                values = await self._database.look_up(partial(self._read_all, keys=list(pending)))
            except Exception as error:
                _refuse(pending, error)
                continue
            for key, futures in pending.items():
                for future in futures:
                    if not future.done():
                        future.set_result(values[key] if key in values else self._missing())
        self._task = None

    async def _read_all(self, connection: AsyncConnection, keys: Sequence[Key]) -> Mapping[Key, Value]:
        return await self._read(connection, keys)


def _refuse(pending: Mapping[Key, Sequence[asyncio.Future[Value]]], error: Exception) -> None:
    for futures in pending.values():
        for future in futures:
            if not future.done():
                future.set_exception(error)
