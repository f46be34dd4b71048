"""Everything that a database contains as text."""

from __future__ import annotations

from sqlalchemy import select

from engine.service import Engine
from engine.store import tables


async def texts_of(engine: Engine) -> list[str]:
    """Every text in every table, as a dump would show it."""
    result: list[str] = []
    async with engine.database.read() as connection:
        for table in tables.metadata.tables.values():
            result += [
                value for row in await connection.execute(select(table)) for value in row if isinstance(value, str)
            ]
    return result
