"""Previews and their progress."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import previews


class PreviewStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The state and progress of a preview, and who started it on what. Times in epoch milliseconds.

    `state` is running, done, failed, cancelled or interrupted; `problem` says why it failed. Of `total` decisions,
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


class PreviewRow(PreviewStatus, frozen=True, kw_only=True):
    """A stored preview; `draft` says what was tried, and `result` is None until it is done. Both are JSON texts."""

    merchant_id: int
    draft: str
    result: str | None = None
    experiment: str = ""
    offer: str = ""
    alternative: str = ""


async def add(connection: AsyncConnection, row: PreviewRow) -> None:
    """Add a preview; raise `IntegrityError` where another one of this merchant runs."""
    await connection.execute(insert(previews).values(msgspec.structs.asdict(row)))


async def get(connection: AsyncConnection, merchant_id: int, id: str) -> PreviewRow | None:
    return await _first(connection, select(previews).where(previews.c.merchant_id == merchant_id, previews.c.id == id))


async def newest(
    connection: AsyncConnection, merchant_id: int, placement: str, *, offer: str = "", alternative: str = ""
) -> PreviewRow | None:
    """Return the newest preview of the placement's draft, of an offer's cost, or of one change."""
    subject = (previews.c.offer == offer, previews.c.alternative == alternative)
    where = (*_of_experiment(merchant_id, placement, ""), *subject)
    return await _first(connection, select(previews).where(*where).order_by(previews.c.started_at.desc()).limit(1))


async def of_experiment(
    connection: AsyncConnection, merchant_id: int, placement: str, experiment: str
) -> list[PreviewRow]:
    """Return the previews of an experiment's variants, the oldest first."""
    query = select(previews).where(*_of_experiment(merchant_id, placement, experiment)).order_by(previews.c.started_at)
    return [PreviewRow(**row._mapping) for row in await connection.execute(query)]


async def set_progress(connection: AsyncConnection, id: str, *, done: int, total: int, now: int) -> bool:
    """Write the progress of a preview; return False where it must stop."""
    return await _while_running(connection, previews.c.id == id, done=done, total=total, seen_at=now)


async def end(
    connection: AsyncConnection, id: str, state: str, *, now: int, problem: str = "", result: str | None = None
) -> bool:
    """End a preview; return False where it had ended before."""
    values: dict[str, Any] = {"state": state, "seen_at": now, "problem": problem, "result": result}
    return await _while_running(connection, previews.c.id == id, **values)


async def interrupt(connection: AsyncConnection, merchant_id: int, *, unseen_since: int) -> None:
    """Interrupt the previews whose process has shown no progress since an instant."""
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


async def _while_running(connection: AsyncConnection, condition: ColumnElement[bool], **values: Any) -> bool:
    query = update(previews).where(condition, previews.c.state == "running").values(values)
    return bool((await connection.execute(query)).rowcount)
