"""Previews and how far they are."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import previews


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a preview, who started it and on what. Times in epoch milliseconds.

    `state` is running, done, failed, cancelled or interrupted; `problem` says why it failed. Of `total` decisions
    `done` are read.
    """

    id: str
    placement: str
    state: str = "running"
    since: int
    until: int
    started_by: str
    started_at: int
    seen_at: int
    done: int = 0
    total: int = 0
    problem: str = ""


class PreviewRow(Standing, frozen=True, kw_only=True):
    """`draft` says what was tried, `result` is there once there is one; both are JSON texts."""

    merchant_id: int
    draft: str
    result: str | None = None
    experiment: str = ""
    offer: str = ""
    alternative: str = ""


async def add(connection: AsyncConnection, row: PreviewRow) -> None:
    """`IntegrityError` where another one of this merchant runs."""
    await connection.execute(insert(previews).values(msgspec.structs.asdict(row)))


async def get(connection: AsyncConnection, merchant_id: int, id: str) -> PreviewRow | None:
    return await _first(connection, select(previews).where(previews.c.merchant_id == merchant_id, previews.c.id == id))


async def newest(
    connection: AsyncConnection, merchant_id: int, placement: str, *, offer: str = "", alternative: str = ""
) -> PreviewRow | None:
    """Return the newest one of the placement's draft, of an offer's cost, or of one change."""
    asked = (previews.c.offer == offer, previews.c.alternative == alternative)
    where = (*_of_experiment(merchant_id, placement, ""), *asked)
    return await _first(connection, select(previews).where(*where).order_by(previews.c.started_at.desc()).limit(1))


async def of_experiment(
    connection: AsyncConnection, merchant_id: int, placement: str, experiment: str
) -> list[PreviewRow]:
    """Return the previews of an experiment's variants, the oldest first."""
    query = select(previews).where(*_of_experiment(merchant_id, placement, experiment)).order_by(previews.c.started_at)
    return [PreviewRow(**row._mapping) for row in await connection.execute(query)]


async def move(connection: AsyncConnection, id: str, *, done: int, total: int, now: int) -> bool:
    """Write how far a preview is; return False where it must not go on."""
    return await _while_running(connection, previews.c.id == id, done=done, total=total, seen_at=now)


async def end(
    connection: AsyncConnection, id: str, state: str, *, now: int, problem: str = "", result: str | None = None
) -> bool:
    """False where it had ended before."""
    values: dict[str, Any] = {"state": state, "seen_at": now, "problem": problem, "result": result}
    return await _while_running(connection, previews.c.id == id, **values)


async def interrupt(connection: AsyncConnection, merchant_id: int, *, unseen_since: int) -> None:
    """Let those end whose process has not been heard of since an instant."""
    lost = and_(previews.c.merchant_id == merchant_id, previews.c.seen_at < unseen_since)
    await _while_running(connection, lost, state="interrupted")


async def purge(connection: AsyncConnection, *, before: int) -> None:
    await connection.execute(delete(previews).where(previews.c.started_at < before))


def _of_experiment(merchant_id: int, placement: str, experiment: str) -> tuple[ColumnElement[bool], ...]:
    c = previews.c
    return c.merchant_id == merchant_id, c.placement == placement, c.experiment == experiment


async def _first(connection: AsyncConnection, query: Select[Any]) -> PreviewRow | None:
    row = (await connection.execute(query)).first()
    return PreviewRow(**row._mapping) if row else None


async def _while_running(connection: AsyncConnection, which: ColumnElement[bool], **values: Any) -> bool:
    query = update(previews).where(which, previews.c.state == "running").values(values)
    return bool((await connection.execute(query)).rowcount)
