"""The log of outcomes; a merchant's `event_id` stands in it once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.outcome import OutcomeRow as OutcomeRow
from engine.store.connection.bulk import insert_many
from engine.store.tables import outcomes

COLUMNS = OutcomeRow.__struct_fields__


async def append_new(connection: AsyncConnection, rows: Sequence[OutcomeRow]) -> set[tuple[int, str]]:
    """Insert the events that were not there yet; returns their (merchant_id, event_id)."""
    fresh: set[tuple[int, str]] = set()
    for merchant_id in sorted({row.merchant_id for row in rows}):
        mine = [row for row in rows if row.merchant_id == merchant_id]
        new = await insert_many(
            connection,
            outcomes,
            COLUMNS,
            mine,
            on_conflict="nothing",
            returning="event_id",
        )
        fresh.update((merchant_id, event_id) for event_id in new)
    return fresh


async def of_decisions(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, list[OutcomeRow]]:
    """All outcomes of some decisions, each in the order of time (and of arrival, at the same time)."""
    query = (
        select(*(outcomes.c[name] for name in COLUMNS))
        .where(outcomes.c.decision_id.in_(list(ids)))
        .order_by(outcomes.c.occurred_at, outcomes.c.seq)
    )
    by_decision: defaultdict[str, list[OutcomeRow]] = defaultdict(list)
    for row in await connection.execute(query):
        by_decision[row.decision_id].append(OutcomeRow(*row))
    return by_decision


async def without_decision(connection: AsyncConnection, *, after: int, limit: int) -> list[tuple[int, OutcomeRow]]:
    """Purchases that no decision led to, in order of arrival, with their place in it."""
    query = (
        select(outcomes.c.seq, *(outcomes.c[name] for name in COLUMNS))
        .where(outcomes.c.decision_id.is_(None), outcomes.c.seq > after)
        .order_by(outcomes.c.seq)
        .limit(limit)
    )
    return [(seq, OutcomeRow(*row)) for seq, *row in await connection.execute(query)]


async def purge(connection: AsyncConnection, *, before: int, before_id: str) -> int:
    """Forget outcomes of decisions older than an id, and purchases without a decision from before an instant.

    An outcome goes with its decision, whenever it is said to have occurred: the two fold together.
    """
    alone = outcomes.c.decision_id.is_(None) & (outcomes.c.occurred_at < before)
    result = await connection.execute(delete(outcomes).where(or_(alone, outcomes.c.decision_id < before_id)))
    return result.rowcount
