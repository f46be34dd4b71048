"""Turns of redemptions: few of them have a connection to the database at once, the others wait in the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from engine.store.connection.database import POOL_SIZE, acquired

MOST_AT_ONCE = POOL_SIZE
"""A third of the connections that may write, so that decisions find one however many redeem."""
MOST_OF_MERCHANT = 3
"""Enough to keep the database busy; redemptions of one budget wait for one another in any case."""


class NoTurn(TimeoutError):
    """The others took too long."""


class Turns:
    """Gives turns in the order of arrival, and few to each merchant, so that a busy one does not delay the others."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(MOST_AT_ONCE)
        self._of_merchants: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, merchant_id: int) -> AsyncIterator[bool]:
        """Wait for a turn and yield whether that took time; raise `NoTurn` where it takes too long."""
        own = self._of_merchants.get(merchant_id)
        if own is None:
            own = self._of_merchants[merchant_id] = asyncio.Semaphore(MOST_OF_MERCHANT)
        waits = own.locked() or self._all.locked()
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(acquired(own, self._all))
            except TimeoutError:
                raise NoTurn from None
            yield waits
