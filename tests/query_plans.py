"""What SQLite reads for the statements of writers, while decisions wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from engine.store.connection.database import Database

Statements = list[tuple[str, Any]]


@contextmanager
def watched_writers(database: Database) -> Iterator[Statements]:
    """Yield a list that gets each statement of the writers of a SQLite database, with its parameters."""
    statements: Statements = []

    def watch(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        statements.append((sql, parameters))

    writers = (database._writer.sync_engine, database._plain_writer)  # type: ignore[attr-defined]
    for writer in writers:
        event.listen(writer, "before_cursor_execute", watch)
    yield statements
    for writer in writers:
        event.remove(writer, "before_cursor_execute", watch)


async def look_through(database: Database, statements: Statements, tables: Sequence[str]) -> list[str]:
    """Return the statements that look through rows of some tables, with their plans, instead of seeking their own."""
    looking = []
    async with database.read() as connection:
        for sql, parameters in statements:
            if not sql.startswith(("SELECT", "UPDATE", "DELETE")):
                continue
            for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters):
                action, table, *_ = row[3].split()
                seeks = action == "SEARCH" and not row[3].endswith("(merchant_id=?)")
                if not seeks and table.startswith(tuple(tables)):
                    looking.append(f"{row[3]}: {sql}")
    return looking
