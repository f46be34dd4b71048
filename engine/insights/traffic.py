"""A sample of a placement's recent decisions, which checks of rules and candidates are held against."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.decisions.usage import FieldUses, Uses
from engine.model.timestamps import HOUR, MINUTE, first_id_of
from engine.store import decisions
from engine.store.connection.database import Database

NEWEST, SLICES, SLICE_MS, DECISIONS_A_SLICE = 1_500, 27, 6 * HOUR, 100
"""The newest decisions, and those just before each of 27 times, six hours apart: day and night, and the weekend."""
MOST_AGE_MS = MINUTE
MOST_KEPT = 50
ENOUGH = 200
"""Below so many decisions, nothing is concluded."""

_values = msgspec.json.Decoder(dict[str, Any]).decode
Facts = Mapping[str, Any]


class Traffic(NamedTuple):
    """The facts of some decisions of the last week, the oldest first; `read_at` in epoch milliseconds.

    `fields` are counts of all decisions: how often each fact arrived.
    """

    facts: Sequence[Facts] = ()
    fields: FieldUses = FieldUses(0, 0, {})
    read_at: int = 0

    @property
    def is_enough(self) -> bool:
        """Return whether anything can be concluded."""
        return len(self.facts) >= ENOUGH


NO_TRAFFIC = Traffic()


class TrafficReader:
    """Reads samples, and keeps each for a minute: the builder checks a rule at each keystroke."""

    def __init__(self, database: Database, uses: Uses) -> None:
        self._database = database
        self._uses = uses
        self._cache: dict[tuple[int, str], Traffic] = {}

    async def of(self, merchant_id: int, placement: str) -> Traffic:
        """Return a sample of at most 4,200 decisions of the merchant, those of the placement among them.

        The work is bounded whatever the size of the log.
        """
        key, now = (merchant_id, placement), now_ms()
        cached = self._cache.get(key)
        if cached is None or not 0 <= now - cached.read_at < MOST_AGE_MS:
            async with self._database.read() as connection:
                rows = await _rows(connection, merchant_id, now)
            chosen = [row.facts for _, row in sorted(rows.items()) if row.placement == placement]
            facts = await asyncio.to_thread(lambda: [_values(text) for text in chosen])
            cached = Traffic(facts, await self._uses.fields(merchant_id), now)
            if len(self._cache) >= MOST_KEPT:
                self._cache.clear()
            self._cache[key] = cached
        return cached


async def _rows(connection: AsyncConnection, merchant_id: int, now: int) -> dict[str, decisions.DecisionRow]:
    newest = await decisions.newest(connection, merchant_id, limit=NEWEST)
    for slice in range(1, SLICES + 1):
        before = first_id_of(now - slice * SLICE_MS)
        newest += await decisions.newest(connection, merchant_id, before_id=before, limit=DECISIONS_A_SLICE)
    return {row.id: row for row in newest}
