"""What one person did alone although changes need a second person, until another person has seen it."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.actor import Actor
from engine.model.history import Emergency as Emergency
from engine.store.connection.bulk import insert_many
from engine.store.tables import emergencies

_COLUMNS = ("merchant_id", "occurred_at", "placement", "action", "actor", "person", "reason")


async def add(
    connection: AsyncConnection, actor: Actor, occurred_at: int, placement: str, *, action: str, reason: str
) -> None:
    """Note an emergency in the transaction that publishes it."""
    values = (actor.merchant_id, occurred_at, placement, action, actor.name, actor.person, reason)
    await insert_many(connection, emergencies, _COLUMNS, [values])


async def unseen(connection: AsyncConnection, merchant_id: int) -> list[Emergency]:
    """Return those that no other person has seen yet, the newest first."""
    c = emergencies.c
    query = select(*(c[name] for name in Emergency._fields)).where(
        c.merchant_id == merchant_id, c.acknowledged_at.is_(None)
    )
    return [Emergency(*row) for row in await connection.execute(query.order_by(c.id.desc()))]


async def count_unseen(connection: AsyncConnection) -> int:
    """Return how many of all merchants nobody else has seen yet."""
    query = select(func.count()).select_from(emergencies).where(emergencies.c.acknowledged_at.is_(None))
    return int((await connection.execute(query)).scalar_one())


async def acknowledge(connection: AsyncConnection, actor: Actor, id: int, *, acknowledged_at: int) -> None:
    c = emergencies.c
    change = update(emergencies).where(c.merchant_id == actor.merchant_id, c.id == id, c.acknowledged_at.is_(None))
    await connection.execute(change.values(acknowledged_at=acknowledged_at, acknowledged_by=actor.name))
