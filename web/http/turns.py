"""Begin requests in turn of merchants, so that a burst of one merchant does not delay the others."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from engine.decisions.queueing.fair_queue import FairQueue

MOST_IN_A_PASS = 4
"""Requests that begin in one pass of the event loop while several merchants ask: about a millisecond of work."""
MOST_OF_ONE_MERCHANT = 64
"""The same while one merchant asks, whose requests need not wait for each other."""
ALONE_SECONDS = 1.0
"""After this time without requests of others, a merchant counts as the only one."""


class RequestTurns:
    """Requests that arrive together begin a few at a time; between these, the event loop reads what has arrived since.

    Without turns, a request would wait until all that came before it have been decided. But requests that begin
    together share look-ups and a commit, which takes a quarter off the cost of each. So only merchants that ask at the
    same time take turns.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(most=sys.maxsize, most_of_one=sys.maxsize)
        self._clock = clock
        self._latest = 0
        self._several_until = 0.0
        self._begun = 0

    async def wait(self, merchant_id: int) -> None:
        """Wait until a request of a merchant may begin."""
        if merchant_id != self._latest:
            self._latest, self._several_until = merchant_id, self._clock() + ALONE_SECONDS
        if self._begun < MOST_IN_A_PASS or self._begun < self._most():
            self._begin()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(merchant_id, id(turn), turn)
        await turn

    def _most(self) -> int:
        return MOST_IN_A_PASS if self._clock() < self._several_until else MOST_OF_ONE_MERCHANT

    def _begin(self) -> None:
        if self._begun == 0:
            asyncio.get_running_loop().call_soon(self._next_pass)
        self._begun += 1

    def _next_pass(self) -> None:
        self._begun = 0
        most = self._most()
        while self._begun < most and (taken := self._queue.take(most - self._begun)):
            for turn in taken:
                if not turn.done():
                    self._begin()
                    turn.set_result(None)
