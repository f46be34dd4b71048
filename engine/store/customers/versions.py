"""Versions of what customers said, and documents of merchants about their customers, read and stored the same way."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many

Version = TypeVar("Version", bound=tuple[Any, ...])
Document = TypeVar("Document", bound=msgspec.Struct)

_DOCUMENT = ("merchant_id", "version", "document")


async def newest(
    connection: AsyncConnection,
    table: Table,
    kind: type[Version],
    customer: tuple[int, str],
    *,
    before: int | None,
    limit: int,
) -> list[Version]:
    """Return versions of a merchant's customer, the newest first; `before` is the last one of the page before.

    The fields of `kind` are columns of the table.
    """
    c = table.c
    query = select(*(c[name] for name in kind._fields))  # type: ignore[attr-defined]
    query = query.where(c.merchant_id == customer[0], c.customer == customer[1])
    if before is not None:
        query = query.where(c.version < before)
    rows = await connection.execute(query.order_by(c.version.desc()).limit(limit))
    return [kind._make(row) for row in rows]  # type: ignore[attr-defined]


async def documents(connection: AsyncConnection, table: Table, kind: type[Document]) -> dict[int, Document]:
    """Return the documents of all merchants that have one, by merchant."""
    decode = msgspec.json.Decoder(kind).decode
    rows = await connection.execute(select(table.c.merchant_id, table.c.document))
    return {row.merchant_id: decode(row.document) for row in rows}


async def put_document(connection: AsyncConnection, table: Table, merchant_id: int, document: msgspec.Struct) -> None:
    """Replace a merchant's document."""
    query = select(table.c.version).where(table.c.merchant_id == merchant_id).with_for_update()
    version = ((await connection.execute(query)).scalar_one_or_none() or 0) + 1
    values = (merchant_id, version, msgspec.json.encode(document).decode())
    await insert_many(connection, table, _DOCUMENT, [values], on_conflict="replace")
