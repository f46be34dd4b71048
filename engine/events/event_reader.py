"""Read the events of a merchant: in order, to pass them on, and those of past outages."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.clock import now_ms
from engine.model.events.event import CandidateOutage, EventType, StoredEvent
from engine.model.timestamps import ms_of
from engine.store.connection.database import Database
from engine.store.events import outbox

SETTLED_MS = 5_000
"""With several writers, an event may be committed after one with a higher number: readers come so much later."""


class PastOutage(NamedTuple):
    """A candidate that seemed to be down, from `since` to `until`, in epoch milliseconds."""

    candidate: str
    since: int
    until: int


class Events:
    """The outbox of merchants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, merchant_id: int, *, after: int, type: EventType | None, limit: int) -> list[StoredEvent]:
        """Return events behind the number `after`, the oldest first; none is ever added before one that was read."""
        until = None if self._database.is_sqlite else now_ms() - SETTLED_MS
        async with self._database.read() as connection:
            return await outbox.page(connection, merchant_id, after=after, type=type, until=until, limit=limit)

    async def past_outages(self, merchant_id: int, placement: str, *, since: int) -> list[PastOutage]:
        """Return the outages of a placement's candidates that ended from an instant (epoch ms) on, by their end.

        Events are kept for 30 days, and so are these.
        """
        async with self._database.read() as connection:
            events = await outbox.ended_outages(connection, merchant_id, since=since)
        outages = ((msgspec.json.decode(event.body, type=CandidateOutage), event.recorded_at) for event in events)
        return [
            PastOutage(outage.candidate_id, ms_of(outage.since) or until, until)
            for outage, until in outages
            if outage.placement == placement
        ]
