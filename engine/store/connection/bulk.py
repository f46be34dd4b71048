"""Many rows in one statement.

A driver's `executemany` takes the interpreter lock again for every row; one statement for all rows runs wholly inside
the database's code, beside the event loop. SQLite gets the rows as parameters; PostgreSQL, whose types parameters
would have to name, as one JSON text. Rows are sequences in the order of the columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Literal

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.customer_names import CustomerNames, NamesCustomers, names_of

OnConflict = Literal["fail", "nothing", "add", "replace"]
MOST_PARAMETERS = 32_000
"""SQLite takes 32,766 in a statement."""

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

    Returns the values of the column `returning`, or of an expression, of the rows that were inserted.
    """
    names = names_of(connection.dialect)
    if names.keys and (named := _named(table, columns)):
        rows = [_with_stored_names(names, named, row) for row in rows]
    values = await _insert(connection, table, columns, rows, on_conflict=on_conflict, returning=returning)
    returned = table.c.get(returning) if returning and names.keys else None
    if returned is not None and isinstance(type_ := returned.type, NamesCustomers):
        return [type_.read(names, value) for value in values]
    return values


async def _insert(
    connection: AsyncConnection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Any],
    *,
    on_conflict: OnConflict,
    returning: str | None,
) -> list[Any]:
    tail = _conflict(table, columns, on_conflict) + (f" RETURNING {returning}" if returning else "")
    if connection.dialect.name != "sqlite":
        if not rows:
            return []
        result = await connection.execute(_from_json(table, columns, tail), {"rows": _encode(rows).decode()})
        return list(result.scalars()) if returning else []
    values: list[Any] = []
    for some in _parted(rows, MOST_PARAMETERS // len(columns)):
        flat = tuple(chain.from_iterable(map(_plain, some)))
        result = await connection.exec_driver_sql(_from_parameters(table, columns, len(some), tail), flat)
        values += [row[0] for row in result] if returning else ()
    return values


def _plain(row: Any) -> Sequence[Any]:
    return row if isinstance(row, tuple) else msgspec.structs.astuple(row)


@cache
def _named(table: Table, columns: tuple[str, ...]) -> dict[int, NamesCustomers]:
    """Return the types of the columns that name customers, by their places."""
    types = enumerate(table.c[name].type for name in columns)
    return {index: type_ for index, type_ in types if isinstance(type_, NamesCustomers)}


def _with_stored_names(names: CustomerNames, named: dict[int, NamesCustomers], row: Any) -> tuple[Any, ...]:
    values = list(_plain(row))
    for index, type_ in named.items():
        values[index] = type_.stored(names, values[index])
    return tuple(values)


def _parted(rows: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(rows), most):
        yield rows[begin : begin + most]


@lru_cache(maxsize=128)
def _from_parameters(table: Table, columns: tuple[str, ...], rows: int, tail: str) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"{_insert_into(table, columns)} VALUES {', '.join([row] * rows)}{tail}"


@cache
def _from_json(table: Table, columns: tuple[str, ...], tail: str) -> TextClause:
    values = ", ".join(_typed(table.c[name], number) for number, name in enumerate(columns))
    source = "json_array_elements(CAST(CAST(:rows AS text) AS json)) AS r(value)"
    return text(f"{_insert_into(table, columns)} SELECT {values} FROM {source}{tail}")  # noqa: S608


def _insert_into(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(_names(table, columns))})"


def _names(table: Table, columns: tuple[str, ...]) -> list[str]:
    # A column may be called otherwise in Python (`Column.key`) than in the database.
    return [table.c[column].name for column in columns]


def _typed(column: Column[Any], number: int) -> str:
    if isinstance(column.type, BigInteger | Integer):
        return f"CAST(value ->> {number} AS bigint)"
    if isinstance(column.type, Float):
        return f"CAST(value ->> {number} AS double precision)"
    if isinstance(column.type, Boolean):
        return f"CAST(value ->> {number} AS boolean)"
    if isinstance(getattr(column.type, "impl_instance", column.type), LargeBinary):
        return f"decode(value ->> {number}, 'base64')"
    return f"value ->> {number}"


@cache
def _conflict(table: Table, columns: tuple[str, ...], on_conflict: OnConflict) -> str:
    keys = [column.name for column in table.primary_key]
    rest = [name for name in _names(table, columns) if name not in keys]
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
