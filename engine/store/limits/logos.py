"""Logos of merchants."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables.accounts import logos


async def get(connection: AsyncConnection, merchant_id: int) -> bytes:
    """Return a merchant's logo as PNG; empty where there is none."""
    return bytes(await connection.scalar(select(logos.c.content).where(logos.c.merchant_id == merchant_id)) or b"")


async def replace(connection: AsyncConnection, merchant_id: int, content: bytes) -> None:
    """Store a logo in place of the one before."""
    await remove(connection, merchant_id)
    await connection.execute(insert(logos).values(merchant_id=merchant_id, content=content))


async def remove(connection: AsyncConnection, merchant_id: int) -> bool:
    """Delete a logo; return False where there is none."""
    return (await connection.execute(delete(logos).where(logos.c.merchant_id == merchant_id))).rowcount == 1
