"""Answers to requests that carry an Idempotency-Key, kept so that the same request gets the same answer again."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.tables import idempotent_answers

_COLUMNS = ("merchant_id", "key", "request", "answer", "created_at")


async def claim(connection: AsyncConnection, merchant_id: int, key: str, request: str, *, now: int) -> bool:
    """Return whether the key is new; where another transaction claims it, wait until that one ends."""
    row = (merchant_id, key, request, "", now)
    inserted = await insert_many(
        connection, idempotent_answers, _COLUMNS, [row], on_conflict="nothing", returning="key"
    )
    return bool(inserted)


async def find(connection: AsyncConnection, merchant_id: int, key: str) -> tuple[str, str] | None:
    """Return the digest of the request that claimed a key, and the answer to it; None where nobody did."""
    table = idempotent_answers.c
    query = select(table.request, table.answer).where(table.merchant_id == merchant_id, table.key == key)
    row = (await connection.execute(query)).first()
    return (row.request, row.answer) if row is not None else None


async def keep(connection: AsyncConnection, merchant_id: int, key: str, answer: str) -> None:
    """Store the answer to the request that claimed a key."""
    table = idempotent_answers
    query = update(table).where(table.c.merchant_id == merchant_id, table.c.key == key)
    await connection.execute(query.values(answer=answer))


def expired(*, before: int) -> Expired:
    """Return the answers that were given before a time; their keys may then be used again."""
    return Expired(idempotent_answers, idempotent_answers.c.created_at < before)
