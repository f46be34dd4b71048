"""Leases: a process holds a name for a while, unless another one does."""

from __future__ import annotations

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.store.connection.bulk import insert_many
from engine.store.tables.installation import leases

COLUMNS = ("name", "holder", "expires_at")


async def take(connection: AsyncConnection, name: str, holder: str, *, milliseconds: int) -> bool:
    """Take or renew a lease; return whether `holder` has it."""
    now = await _now(connection)
    expires_at = now + milliseconds
    new = [(name, holder, expires_at)]
    if await insert_many(connection, leases, COLUMNS, new, on_conflict="nothing", returning="holder"):
        return True
    # A lease that ends later than any could is one from before the clock was set back.
    is_over = or_(leases.c.expires_at <= now, leases.c.expires_at > expires_at)
    renew = update(leases).where(leases.c.name == name, or_(leases.c.holder == holder, is_over))
    return (await connection.execute(renew.values(holder=holder, expires_at=expires_at))).rowcount == 1


async def give_back(connection: AsyncConnection, name: str, holder: str) -> None:
    """End a lease, if `holder` has it."""
    await connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


async def milliseconds_left(connection: AsyncConnection, name: str) -> int | None:
    """Return how much longer a lease is held, or None if nobody holds it."""
    expires_at = (await connection.execute(select(leases.c.expires_at).where(leases.c.name == name))).scalar()
    left = None if expires_at is None else int(expires_at) - await _now(connection)
    return left if left is not None and left > 0 else None


async def _now(connection: AsyncConnection) -> int:
    """Return the time in epoch milliseconds: PostgreSQL's own, because clocks of machines differ."""
    if connection.dialect.name == "sqlite":
        return now_ms()
    return int((await connection.execute(text("SELECT extract(epoch FROM clock_timestamp()) * 1000"))).scalar_one())
