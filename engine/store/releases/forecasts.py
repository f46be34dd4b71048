"""Forecasts of published versions: what a preview expected, and what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.tables import forecasts, plans, previews


class ForecastRow(NamedTuple):
    """A forecast with the time of publishing; `effect` and `outcome` are JSON, times epoch milliseconds."""

    merchant_id: int
    placement: str
    version: int
    reward: str
    effect: str
    previewed_at: int
    outcome: str
    checked_at: int
    is_open: bool
    published_at: int


class _TriedDraft(msgspec.Struct):
    """The part of a preview's subject that says whether just this draft was tried."""

    revision: int | None = None


class _Expected(msgspec.Struct):
    """The part of a preview's result that is kept with the version."""

    reward: str
    effect: msgspec.Raw


async def keep(connection: AsyncConnection, merchant_id: int, placement: str, *, version: int, revision: int) -> None:
    """Keep what the last preview of a draft expected with the version that the draft became."""
    query = (
        select(previews.c.draft, previews.c.result, previews.c.started_at)
        .where(
            previews.c.merchant_id == merchant_id,
            previews.c.placement == placement,
            previews.c.experiment == "",
            previews.c.alternative == "",
            previews.c.state == "done",
        )
        .order_by(previews.c.started_at.desc())
    )
    for draft, result, started_at in await connection.execute(query):
        subject = msgspec.json.decode(draft, type=_TriedDraft)
        if subject.revision == revision:
            expected = msgspec.json.decode(result, type=_Expected)
            row = {"reward": expected.reward, "effect": bytes(expected.effect).decode(), "previewed_at": started_at}
            key = {"merchant_id": merchant_id, "placement": placement, "version": version}
            await connection.execute(insert(forecasts).values(**key, **row))
            return


async def of_merchant(connection: AsyncConnection, merchant_id: int, placement: str | None = None) -> list[ForecastRow]:
    """Return the forecasts of a merchant or of one placement, the newest version first."""
    query = _all().where(forecasts.c.merchant_id == merchant_id)
    if placement is not None:
        query = query.where(forecasts.c.placement == placement)
    rows = await connection.execute(query.order_by(forecasts.c.placement, forecasts.c.version.desc()))
    return [ForecastRow(*row) for row in rows]


async def due(connection: AsyncConnection, *, checked_before: int, limit: int) -> list[ForecastRow]:
    """Return open forecasts that were last held against outcomes before an instant."""
    query = _all().where(forecasts.c.is_open, forecasts.c.checked_at < checked_before)
    return [ForecastRow(*row) for row in await connection.execute(query.order_by(forecasts.c.checked_at).limit(limit))]


async def put_outcome(
    connection: AsyncConnection, row: ForecastRow, outcome: str, *, checked_at: int, is_open: bool
) -> None:
    """Store what came of a forecast so far."""
    where = [forecasts.c[name] == getattr(row, name) for name in ("merchant_id", "placement", "version")]
    await connection.execute(
        update(forecasts).where(*where).values(outcome=outcome, checked_at=checked_at, is_open=is_open)
    )


async def next_published_at(connection: AsyncConnection, row: ForecastRow) -> int | None:
    """Return when the version after a forecast's was published."""
    query = select(plans.c.published_at).where(
        plans.c.merchant_id == row.merchant_id,
        plans.c.placement == row.placement,
        plans.c.version == row.version + 1,
    )
    return (await connection.execute(query)).scalar()


def _all() -> Select[Any]:
    keys = ("merchant_id", "placement", "version")
    columns = [forecasts.c[name] for name in ForecastRow._fields[:-1]]
    return select(*columns, plans.c.published_at).join(plans, and_(*(plans.c[key] == forecasts.c[key] for key in keys)))
