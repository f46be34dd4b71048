"""Texts that were encrypted before there were data keys: these begin with no day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import customer_consents, customer_setting_versions, customer_settings
from engine.store.tables.messages import webhook_endpoints
from engine.store.tables.people import second_factors

OF_CUSTOMERS = (customer_settings.c.sealed, customer_setting_versions.c.sealed, customer_consents.c.sealed)
"""What customers said; the merchant and the customer are the first columns of the keys."""
OF_WEBHOOKS = (webhook_endpoints.c.secret, webhook_endpoints.c.previous_secret)
OF_PEOPLE = (second_factors.c.secret,)


class OlderText(NamedTuple):
    """An encrypted text, and the primary key of its row."""

    key: tuple[Any, ...]
    sealed: str


async def after(
    connection: AsyncConnection, column: Column[Any], key: Sequence[Any] | None, *, limit: int
) -> list[OlderText]:
    """Return older texts of a column in the order of the primary key, those after a key."""
    own = column.table.primary_key.columns
    query = select(*own, column).where(column != "", column.not_like("%.%")).order_by(*own).limit(limit)
    if key is not None:
        last = (literal(value, part.type) for part, value in zip(own, key, strict=True))
        query = query.where(tuple_(*own) > tuple_(*last))
    return [OlderText(tuple(row[:-1]), row[-1]) for row in await connection.execute(query)]


async def replace(connection: AsyncConnection, column: Column[Any], text: OlderText, sealed: str) -> bool:
    """Store a text encrypted anew; return False if somebody has changed it meanwhile."""
    own = zip(column.table.primary_key.columns, text.key, strict=True)
    same = [part == value for part, value in own] + [column == text.sealed]
    result = await connection.execute(update(column.table).where(*same).values({column.name: sealed}))
    return int(result.rowcount) == 1
