"""Store customers' names under the latest key, in every column that names one.

The connection must read names as they are stored: of a database that was opened without names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    Text,
    Update,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store import decisions as log
from engine.store.connection.customer_names import HASH_DIGITS, NUMBER_DIGITS, CustomerNames
from engine.store.log.dictionaries import PlacementKey
from engine.store.log.records import Dictionary
from engine.store.tables import holds, metadata
from engine.store.tables.columns import NameBytes, NameText

COLUMNS = tuple(
    column for table in metadata.sorted_tables for column in table.columns if type(column.type) in (NameText, NameBytes)
)
"""All columns that name customers. JSON with names follows the column beside it."""


class NamedRow(NamedTuple):
    """A row by its primary key, with the name in a column as it is stored."""

    key: tuple[Any, ...]
    stored: str


async def after(
    connection: AsyncConnection, column: Column[Any], key: Sequence[Any] | None, *, number: int, limit: int
) -> list[NamedRow]:
    """Return rows with a name that is not under the key `number`, in the order of the primary key, after a key."""
    own = column.table.primary_key.columns
    query = select(*own, column).where(_is_older(column, number)).order_by(*own).limit(limit)
    if key is not None:
        begun = (literal(value, part.type) for part, value in zip(own, key, strict=True))
        query = query.where(tuple_(*own) > tuple_(*begun))
    return [NamedRow(tuple(row[:-1]), row[-1]) for row in await connection.execute(query)]


async def rename(
    connection: AsyncConnection, column: Column[Any], rows: Sequence[NamedRow], names: CustomerNames
) -> int:
    """Store the names of rows under the latest key; return how many there are.

    Texts that are no names stay, and names under a key that is not there: of pasts that were given up.
    """
    older = [(row, name) for row in rows if (name := names.renamed(row.stored)) != row.stored]
    if not older:
        return 0
    extra = ("old",) if column.table is holds else ()
    values = [
        {f"key_{index}": value for index, value in enumerate(row.key)}
        | {"new": name}
        | dict.fromkeys(extra, row.stored)
        for row, name in older
    ]
    await connection.execute(_update(column), values)
    return len(older)


@cache
def _update(column: Column[Any]) -> Update:
    own = enumerate(column.table.primary_key.columns)
    same = [part == bindparam(f"key_{index}", type_=part.type) for index, part in own]
    values: dict[Any, Any] = {column: bindparam("new", type_=column.type)}
    if column.table is holds:
        values[holds.c.balances] = func.replace(holds.c.balances, bindparam("old"), bindparam("new"))
    return update(column.table).where(*same).values(values)


async def rename_facts(
    connection: AsyncConnection,
    rows: Sequence[NamedRow],
    names: CustomerNames,
    dictionaries: dict[PlacementKey, Dictionary],
) -> None:
    """Store the names in the facts of decisions under the latest key; the columns still have the names of `rows`."""
    logged = await log.by_keys(connection, ((row.key[0], row.key[1]) for row in rows))
    naming = [row for row in logged.values() if row.customer and row.customer in row.facts]
    renamed = [
        msgspec.structs.replace(row, customer=name, facts=row.facts.replace(row.customer, name))
        for row in naming
        if row.customer and (name := names.renamed(row.customer))
    ]
    await log.replace(connection, renamed, dictionaries)


def _is_older(column: Column[Any], number: int) -> ColumnElement[bool]:
    """Return the condition that a text is a hash, or a name under another key."""
    is_text = not isinstance(column.type, NameBytes)
    digits, raw_type = (1, Text()) if is_text else (2, LargeBinary())
    raw: ColumnElement[Any] = type_coerce(column, raw_type)
    latest = literal(f"{number:0{NUMBER_DIGITS}x}" if is_text else bytes([number]), raw_type)
    hashed = HASH_DIGITS // digits
    ending = func.substr(raw, hashed + 1, type_=raw_type)
    is_named = func.length(raw) == hashed + NUMBER_DIGITS // digits
    return or_(func.length(raw) == hashed, and_(is_named, ending != latest))
