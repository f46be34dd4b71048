"""Write an event, once, where a candidate seems to be down, and where it is back."""

from __future__ import annotations

from engine.learning.live import Live
from engine.model.timestamps import DAY
from engine.store.connection.database import Database
from engine.store.events.notices import OUTAGE, note_outages, outage_key
from engine.store.metrics import alarms


class OutageNotices:
    """Compares the outages that this process sees with those that events have said."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def run(self, *, now: int) -> int:
        """Write the events that are due at an instant (epoch ms), each once; return how many.

        A placement that this process has not looked at yet ends no outage, unless the outage is a day old.
        """
        watched = self._live.watched()
        current = {
            outage_key(*placement, outage.candidate): outage.since
            for placement, outages in watched.items()
            for outage in outages
        }
        async with self._database.read() as connection:
            marked = await alarms.raised(connection, [OUTAGE])
        begun = [pair for pair in sorted(current.items()) if pair[0] not in marked]
        ended = [
            (key, since)
            for key, since in sorted(marked.items())
            if key not in current and (key[:2] in watched or since <= now - DAY)
        ]
        if not begun and not ended:
            return 0
        async with self._database.write() as connection:
            return len(await note_outages(connection, begun, ended, now=now))
