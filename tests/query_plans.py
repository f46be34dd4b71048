"""What SQLite reads for statements. It has no statistics, so that it may choose an index of most rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from engine.store.connection.database import Database

Statements = list[tuple[str, Any]]


@contextmanager
def watched(*engines: Engine) -> Iterator[Statements]:
    """Yield a list that gets each statement of some engines, with its parameters."""
    statements: Statements = []

    def watch(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        statements.append((sql, parameters))

    for engine in engines:
        event.listen(engine, "before_cursor_execute", watch)
    try:
        yield statements
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", watch)


def writers_of(database: Any) -> tuple[Engine, ...]:
    return (database._writer.sync_engine, database._plain_writer)


def readers_of(database: Any) -> tuple[Engine, ...]:
    return (database._reader.sync_engine, database._plain_reader)


async def look_through(database: Database, statements: Statements, tables: Sequence[str]) -> list[str]:
    """Return the statements that look through rows of some tables, with their plans, instead of seeking their own."""
    looking = []
    async with database.read() as connection:
        for sql, parameters in statements:
            if not sql.startswith(("SELECT", "UPDATE", "DELETE")):
                continue
            for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters):
                action, _, rest = row[3].partition(" ")
                seeks = action != "SCAN" and not rest.endswith("(merchant_id=?)")
                if not seeks and rest.startswith(tuple(tables)):
                    looking.append(f"{row[3]}: {sql}")
    return looking
