"""Published plans: immutable versions and the pointer to the one in force."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.history import Version as Version
from engine.store.connection.bulk import insert_many
from engine.store.tables import active_plans, plans


class PlanRow(NamedTuple):
    merchant_id: int
    placement: str
    version: int
    document: str
    published_at: int
    published_by: str
    reason: str


async def active(connection: AsyncConnection) -> dict[tuple[int, str], int]:
    """The version in force by (merchant_id, placement)."""
    rows = await connection.execute(select(active_plans))
    return {(row.merchant_id, row.placement): row.version for row in rows}


async def get(connection: AsyncConnection, merchant_id: int, placement: str, version: int) -> PlanRow | None:
    query = select(plans).where(
        plans.c.merchant_id == merchant_id, plans.c.placement == placement, plans.c.version == version
    )
    row = (await connection.execute(query)).first()
    return PlanRow(*row) if row else None


async def newest_versions(connection: AsyncConnection, merchant_id: int) -> dict[str, int]:
    """The newest version of each placement that ever had one."""
    query = select(plans.c.placement, func.max(plans.c.version)).where(plans.c.merchant_id == merchant_id)
    rows = await connection.execute(query.group_by(plans.c.placement))
    return {row.placement: row[1] for row in rows}


async def add(connection: AsyncConnection, row: PlanRow) -> None:
    await connection.execute(insert(plans).values(row._asdict()))


async def activate(connection: AsyncConnection, merchant_id: int, placement: str, version: int) -> None:
    columns = ("merchant_id", "placement", "version")
    await insert_many(connection, active_plans, columns, [(merchant_id, placement, version)], on_conflict="replace")


async def deactivate(connection: AsyncConnection, merchant_id: int, placement: str) -> None:
    await connection.execute(
        delete(active_plans).where(active_plans.c.merchant_id == merchant_id, active_plans.c.placement == placement)
    )


async def history(
    connection: AsyncConnection, merchant_id: int, placement: str, *, before: int | None = None, limit: int = 50
) -> list[Version]:
    """The newest first, from behind `before`."""
    query = (
        select(*(plans.c[name] for name in Version._fields))
        .where(plans.c.merchant_id == merchant_id, plans.c.placement == placement)
        .order_by(plans.c.version.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(plans.c.version < before)
    return [Version(*row) for row in await connection.execute(query)]
