"""Note when customers with settings were last seen, from which their inactivity is counted."""

from __future__ import annotations

from engine.decisions.requests.scope import RequestScope
from engine.model.timestamps import DAY
from engine.store.connection.database import Database
from engine.store.customers import visits
from engine.store.customers.visits import SeenCustomer

MOST_VISITS = 50_000
"""Visits that are kept between two writes; others are noted when the customer comes again."""
PIECE = 500


class Visits:
    """Gathers visits in memory, and writes them at each `flush`. Whoever refuses personalization leaves none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._days: dict[tuple[int, str], int] = {}

    def note(self, request: RequestScope) -> None:
        """Note that a customer was here, where the last note is old."""
        today = request.now // DAY
        if request.seen_day is None or request.customer is None or today - request.seen_day < visits.DAYS_LATE:
            return
        if len(self._days) < MOST_VISITS:
            self._days[request.merchant_id, request.customer] = today

    async def flush(self) -> None:
        """Write the visits, a little at a time; those that fail are noted at the next visit."""
        days, self._days = self._days, {}
        rows = [SeenCustomer(*key, day) for key, day in sorted(days.items())]
        for start in range(0, len(rows), PIECE):
            async with self._database.write() as connection:
                await visits.note(connection, rows[start : start + PIECE])
