"""Split the log of a placement into pieces that are read one by one, maybe in parallel."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.decisions import inside
from engine.store.tables import decisions
from engine.store.tables.columns import IdSpan


class LogPiece(NamedTuple):
    """The ids of the first and the last decision, both included, and the number of decisions."""

    first: str
    last: str
    decisions: int


async def newest_pieces(
    connection: AsyncConnection, merchant_id: int, placement: str, span: IdSpan, *, limit: int, size: int
) -> list[LogPiece]:
    """Split the newest `limit` decisions of a span into pieces of `size`, the oldest first; the last may be smaller.

    The database numbers them, so that only the ends of pieces are sent and decoded.
    """
    query = select(decisions.c.id).where(*inside(merchant_id, placement, span))
    newest = query.order_by(decisions.c.id.desc()).limit(limit).subquery()
    number = (func.row_number().over(order_by=newest.c.id) - 1).label("number")
    numbered = select(newest.c.id, number, func.count().over().label("total")).subquery().c
    is_first = numbered.number % size == 0
    is_last = or_(numbered.number % size == size - 1, numbered.number == numbered.total - 1)
    ends = select(numbered.id, numbered.number, is_first.label("is_first"), is_last.label("is_last"))
    rows = (await connection.execute(ends.where(or_(is_first, is_last)).order_by(numbered.number))).all()
    firsts, lasts = [row for row in rows if row.is_first], [row for row in rows if row.is_last]
    return [
        LogPiece(first.id, last.id, last.number - first.number + 1) for first, last in zip(firsts, lasts, strict=True)
    ]
