"""The tracks under which sums are kept: the reward, and the groups of experiments that are counted apart."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.scope import Scope, counts_for


async def within(connection: AsyncConnection, table: Table, scope: Scope) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the rows of a table that teach a learner, the scope's `reward`."""
    merchant_id, placement, learner = scope
    names = [name for name in await _tracks(connection, table, merchant_id, placement) if counts_for(name, learner)]
    own = table.c.reward == names[0] if len(names) == 1 else table.c.reward.in_(names)
    return table.c.merchant_id == merchant_id, table.c.placement == placement, own


async def _tracks(connection: AsyncConnection, table: Table, merchant_id: int, placement: str) -> list[str]:
    """Return the tracks of a placement, each found by one step through the key of the table."""
    of_placement = (table.c.merchant_id == merchant_id, table.c.placement == placement)
    least = select(func.min(table.c.reward).label("name")).where(*of_placement)
    tracks = least.cte("tracks", recursive=True)
    following = select(func.min(table.c.reward)).where(*of_placement, table.c.reward > tracks.c.name)
    steps = tracks.union_all(select(following.scalar_subquery()).where(tracks.c.name.is_not(None)))
    rows = await connection.execute(select(steps.c.name).where(steps.c.name.is_not(None)))
    return list(rows.scalars())
