"""Begin requests in turn of merchants, so that a burst of one merchant does not delay the others."""

from __future__ import annotations

import asyncio
import sys

from engine.decisions.queueing.fair_queue import FairQueue

MOST_IN_A_PASS = 4
"""Requests that begin in one pass of the event loop: about a millisecond of work."""


class RequestTurns:
    """Requests that arrive together begin a few at a time; between these, the event loop reads what has arrived since.

    Without turns, a request would wait until all that came before it have been decided. A request that arrives alone
    begins at once.
    """

    def __init__(self) -> None:
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(most=sys.maxsize, most_of_one=sys.maxsize)
        self._left = MOST_IN_A_PASS

    async def wait(self, merchant_id: int) -> None:
        """Wait until a request of a merchant may begin."""
        if self._left:
            self._begin()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(merchant_id, id(turn), turn)
        await turn

    def _begin(self) -> None:
        if self._left == MOST_IN_A_PASS:
            asyncio.get_running_loop().call_soon(self._next_pass)
        self._left -= 1

    def _next_pass(self) -> None:
        self._left = MOST_IN_A_PASS
        while self._left and (taken := self._queue.take(self._left)):
            for turn in taken:
                if not turn.done():
                    self._begin()
                    turn.set_result(None)
