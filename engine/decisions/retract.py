"""Remove reported outcomes from the log, with their credit."""

from __future__ import annotations

from engine.clock import now_ms
from engine.decisions.outcome_processor import OutcomeProcessor
from engine.model.actor import Actor
from engine.model.outcome import Retraction
from engine.model.timestamps import rfc3339
from engine.store import audit, folds, outcomes
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.folds import Sums

MOST_AT_ONCE = 500


async def retract(database: Database, retraction: Retraction, *, actor_name: str) -> int:
    """Delete outcomes and subtract their credit, some at a time; return how many.

    The sums are then those of a log that never had them.
    """
    count, processor = 0, OutcomeProcessor()
    async with database.read() as connection:
        numbers = await outcomes.retractable(connection, retraction)
    pieces = [numbers[first : first + MOST_AT_ONCE] for first in range(0, len(numbers), MOST_AT_ONCE)] or [[]]
    for piece in pieces:
        async with database.write() as connection:
            rows = await outcomes.numbered(connection, piece)
            sums = Sums()
            await processor.retract(connection, rows, sums)
            await folds.add(connection, sums)
            count += len(rows)
            if piece is pieces[-1]:
                await audit.write(connection, _entry(retraction, count, actor_name))
    await folds.remove_empty(database, retraction.merchant_id)
    return count


def _entry(retraction: Retraction, count: int, actor_name: str) -> NewEntry:
    """Return the entry of the audit log."""
    removed = {
        "source": retraction.source,
        "key": retraction.key_id,
        "from": rfc3339(retraction.since),
        "to": rfc3339(retraction.until),
        "count": count,
    }
    return NewEntry(Actor(retraction.merchant_id, actor_name), now_ms(), "retracted", "outcomes", before=removed)
