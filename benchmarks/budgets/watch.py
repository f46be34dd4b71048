"""An independent reader: looks at balances, caps and holds by plain SQL, ten times a second."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

SECONDS_BETWEEN = 0.1
LOOKS_A_COUNT = 20
"""Every so many looks, the holds are counted too, which takes longer."""
OVER = """
SELECT b.budget, b.held + b.spent, c.amount, b.held_uses + b.spent_uses, c.uses
FROM budget_balances b LEFT JOIN budget_caps c ON b.merchant_id = c.merchant_id AND b.budget = c.budget
WHERE (b.held + b.spent > c.amount) OR (b.held_uses + b.spent_uses > c.uses) OR b.held < 0 OR b.spent < 0
"""
HELD = """
SELECT h.offer, SUM(CASE WHEN h.state = 'live' THEN h.amount ELSE h.spent - h.returned END),
       SUM(CASE WHEN h.state = 'live' OR h.refunded < h.cart_total THEN 1 ELSE 0 END)
FROM holds h WHERE h.state IN ('live', 'redeemed') GROUP BY h.offer
"""
"""What holds take of each offer's only budget, as an amount and as uses."""


class Reader:
    """Reads a database with a driver alone, on one connection; `url` is empty for SQLite."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._file = url.replace("+asyncpg", ""), folder / "tap2.sqlite"
        self._connection: Any = None
        self._turn = asyncio.Lock()

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        if not self._url:
            return await asyncio.to_thread(self._from_sqlite, statement)
        async with self._turn:
            if self._connection is None:
                self._connection = await asyncpg.connect(self._url)
            return [tuple(row) for row in await self._connection.fetch(statement)]

    async def number(self, statement: str) -> int:
        """Return the only number of a query."""
        return int((await self.rows(statement))[0][0] or 0)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    def _from_sqlite(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()


class Watch:
    """Looks until it is stopped; `over` are the rows that exceeded a cap."""

    def __init__(self, reader: Reader, caps: dict[str, tuple[int, int]]) -> None:
        self._reader, self._caps = reader, caps
        self.looks = 0
        self.over: list[tuple[Any, ...]] = []

    async def run(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            self.over += await self._reader.rows(OVER)
            if self.looks % LOOKS_A_COUNT == 0:
                self.over += [row for row in await self._reader.rows(HELD) if self._exceeds(*row)]
            self.looks += 1
            await asyncio.sleep(SECONDS_BETWEEN)

    def _exceeds(self, offer: str, amount: int, uses: int) -> bool:
        most, most_uses = self._caps[offer]
        return amount > most or uses > most_uses
