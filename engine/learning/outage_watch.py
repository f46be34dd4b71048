"""Watch the candidates of a placement by the minute, so that one that is down is away before all customers meet it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.learning.beliefs_reader import delay_curves
from engine.model.placement import Placement
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import Fit
from engine.statistics.outages import FIRST_MINUTES, State, follow, usual_rates
from engine.store import fits, folds
from engine.store.connection.database import Database

USUAL_DAYS = 28
USUAL_FOR_MS = 10 * MINUTE
"""How long usual rates and delays are kept before they are read again."""


class Outage(NamedTuple):
    """A candidate that seems to be down since an instant, in epoch milliseconds."""

    candidate: str
    since: int


class OutageWatch:
    """Detects which candidates of one placement are down. Starts again from the log's minutes in each process."""

    def __init__(self, merchant_id: int, placement: Placement, ids: Sequence[str]) -> None:
        self._scope = Scope(merchant_id, placement.key, placement.reward)
        self._placement = placement
        self._ids = tuple(ids)
        self._state: State | None = None
        self._usual: NDArray[np.float64] = np.zeros(len(self._ids))
        self._curves = delay_curves(Fit(), placement)
        self._usual_read_at = -USUAL_FOR_MS
        self.outages: tuple[Outage, ...] = ()
        self.has_looked = False

    async def look(self, database: Database, now: int) -> tuple[Outage, ...]:
        """Read the last minutes; return the outages at `now` (epoch ms)."""
        if now - self._usual_read_at >= USUAL_FOR_MS:
            await self._read_usual(database, now)
        state = self._state or State.begin(len(self._ids), now // MINUTE - FIRST_MINUTES)
        async with database.read() as connection:
            rows = await folds.minute_rows(connection, self._scope, since=state.minute)
        if rows:
            settled, latest = await asyncio.to_thread(follow, state, self._ids, rows, self._usual, self._curves, now)
            self._state = settled
            self.outages = tuple(
                Outage(self._ids[number], int(latest.since[number]) * MINUTE)
                for number in np.flatnonzero(latest.watch.suspended)
            )
        self.has_looked = True
        return self.outages

    async def _read_usual(self, database: Database, now: int) -> None:
        async with database.read() as connection:
            rows = await folds.days(connection, self._scope, bucket=None, since_day=now // DAY - USUAL_DAYS)
            fit = await fits.get(connection, self._scope) or Fit()
        counts: dict[str, tuple[int, int]] = {}
        for row in rows:
            trials, successes = counts.get(row.candidate, (0, 0))
            counts[row.candidate] = trials + row.trials, successes + row.successes
        self._usual = usual_rates(self._ids, counts)
        self._curves = await asyncio.to_thread(delay_curves, fit, self._placement)
        self._usual_read_at = now
