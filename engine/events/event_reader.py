"""Read the events of a merchant in order, to pass them on."""

from __future__ import annotations

from engine.clock import now_ms
from engine.model.events.event import EventType, StoredEvent
from engine.store.connection.database import Database
from engine.store.events import outbox

SETTLED_MS = 5_000
"""With several writers, an event may be committed after one with a higher number: readers come so much later."""


class Events:
    """The outbox of merchants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, merchant_id: int, *, after: int, type: EventType | None, limit: int) -> list[StoredEvent]:
        """Return events behind the number `after`, the oldest first; none is ever added before one that was read."""
        until = None if self._database.is_sqlite else now_ms() - SETTLED_MS
        async with self._database.read() as connection:
            return await outbox.page(connection, merchant_id, after=after, type=type, until=until, limit=limit)
