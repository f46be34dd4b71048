"""Many rows in one statement, handed over as one JSON text.

A driver's `executemany` takes the interpreter lock again for every row; one statement that reads its rows from JSON
runs wholly inside the database's C code, beside the event loop. Rows are arrays in the order of the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import msgspec
from sqlalchemy import BigInteger, Column, Integer, Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

OnConflict = Literal["fail", "nothing", "add", "replace"]

_encode = msgspec.json.Encoder().encode


async def insert_many(
    connection: AsyncConnection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Any],
    *,
    on_conflict: OnConflict = "fail",
    returning: str | None = None,
) -> list[Any]:
    """Insert rows; on a known key fail, do nothing, add the columns that are no key, or replace them.

    Returns the values of the column `returning` of the rows that were inserted.
    """
    if not rows:
        return []
    statement = _statement(table, columns, on_conflict, returning, connection.dialect.name)
    result = await connection.execute(statement, {"rows": _encode(rows).decode()})
    return list(result.scalars()) if returning else []


@cache
def _statement(
    table: Table, columns: tuple[str, ...], on_conflict: OnConflict, returning: str | None, dialect: str
) -> TextClause:
    read = _sqlite_value if dialect == "sqlite" else _postgresql_value
    values = ", ".join(read(table.c[name], place) for place, name in enumerate(columns))
    source = (
        "json_each(:rows)"
        if dialect == "sqlite"
        else "json_array_elements(CAST(CAST(:rows AS text) AS json)) AS r(value)"
    )
    names = ", ".join(columns)
    sql = f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {source} WHERE true"  # noqa: S608
    sql += _conflict(table, columns, on_conflict)
    return text(sql + (f" RETURNING {returning}" if returning else ""))


def _sqlite_value(_column: Column[Any], place: int) -> str:
    return f"value ->> {place}"


def _postgresql_value(column: Column[Any], place: int) -> str:
    if isinstance(column.type, BigInteger | Integer):
        return f"CAST(value ->> {place} AS bigint)"
    return f"value ->> {place}"


def _conflict(table: Table, columns: tuple[str, ...], on_conflict: OnConflict) -> str:
    keys = [column.name for column in table.primary_key]
    rest = [name for name in columns if name not in keys]
    match on_conflict:
        case "fail":
            return ""
        case "nothing":
            return " ON CONFLICT DO NOTHING"
        case "add":
            changes = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in rest)
        case "replace":
            changes = ", ".join(f"{name} = excluded.{name}" for name in rest)
    return f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
