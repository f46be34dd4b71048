"""Tell PostgreSQL which days a query is about: it stores decisions in a partition for each day (UTC)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from sqlalchemy import ColumnElement, literal_column
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.model.timestamps import DAY, first_id_of, moment_of
from engine.store.tables import decisions
from engine.store.tables.columns import DECISION_PREFIX

MOST_QUERIES = 4
"""For decisions of more days, one plan takes less than so many trips to the server."""
LAST_MOMENT = 2**48 - 1
"""The last time that an id can name (epoch ms); anybody may ask for such an id."""
STEPS_BACK = (1, 31)
"""Days."""


def by_day(
    connection: AsyncConnection, ids: Sequence[str]
) -> Iterator[tuple[Sequence[str], tuple[ColumnElement[bool], ...]]]:
    """Yield sorted ids for a query each, with conditions that have the days in their text.

    With parameters alone, PostgreSQL would plan each query anew, 60 us, to find the partitions.
    """
    if connection.dialect.name == "sqlite" or len({_day_of(id) for id in ids}) > MOST_QUERIES:
        yield ids, ()
    else:
        for day, own in groupby(ids, _day_of):
            yield list(own), (decisions.c.id >= _literal(day), decisions.c.id < _literal(day + 1))


def back(connection: AsyncConnection, before_id: str | None) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """Yield conditions for ever longer times before an id, or before now, and at last for all times.

    PostgreSQL opens each partition that a query may need, and the newest decisions stand in few.
    """
    if connection.dialect.name != "sqlite":
        day = now_ms() // DAY if before_id is None else _day_of(before_id)
        yield from ((decisions.c.id >= _literal(day - step),) for step in STEPS_BACK if step <= day)
    yield ()


def _day_of(id: str) -> int:
    return moment_of(id) // DAY


def _literal(day: int) -> ColumnElement[bytes]:
    first = first_id_of(min(day * DAY, LAST_MOMENT))
    return literal_column(f"'\\x{first.removeprefix(DECISION_PREFIX)}'::bytea")
