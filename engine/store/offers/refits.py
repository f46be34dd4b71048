"""Weekly refits of models, and the alarms of predictions that are off."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.offers.refit import Refit, RefitResult
from engine.model.scope import Scope
from engine.store.connection.bulk import insert_many
from engine.store.tables import prediction_alarms, refits

_COLUMNS = ("merchant_id", "placement", "reward", "refitted_at", "last_day", "result", "previous", "version")
_decode = msgspec.json.Decoder(RefitResult).decode


async def add(connection: AsyncConnection, scope: Scope, refit: Refit) -> None:
    """Store a refit; raise `IntegrityError` if another process has refitted with the same held-out days."""
    result = msgspec.json.encode(refit.result).decode()
    row = (*scope, refit.refitted_at, refit.result.last_day, result, refit.previous, refit.version)
    await insert_many(connection, refits, _COLUMNS, [row])


async def newest(connection: AsyncConnection, scope: Scope, *, limit: int) -> list[Refit]:
    """Return the refits of a scope, the newest first."""
    columns = (refits.c.refitted_at, refits.c.result, refits.c.previous, refits.c.version, refits.c.returned)
    query = select(*columns).where(*_within(scope)).order_by(refits.c.last_day.desc()).limit(limit)
    return [Refit(row[0], _decode(row[1]), *row[2:]) for row in await connection.execute(query)]


async def newest_replacement(connection: AsyncConnection, scope: Scope) -> int:
    """Return the beliefs version with which the model of a scope was replaced last, 0 if it never was."""
    query = select(func.max(refits.c.version), func.max(refits.c.returned)).where(*_within(scope))
    version, returned = (await connection.execute(query)).one()
    return max(version or 0, returned or 0)


async def set_returned(connection: AsyncConnection, scope: Scope, refit: Refit, version: int) -> bool:
    """Note the version with which the earlier model came back; return False if another has done so."""
    where = (*_within(scope), refits.c.last_day == refit.result.last_day, refits.c.returned == 0)
    return (await connection.execute(update(refits).where(*where).values(returned=version))).rowcount == 1


async def raise_alarm(connection: AsyncConnection, scope: Scope, *, now: int) -> bool:
    """Mark the predictions of a scope as off; return False if they are marked already."""
    columns = ("merchant_id", "placement", "reward", "raised_at")
    raised = await insert_many(
        connection, prediction_alarms, columns, [(*scope, now)], on_conflict="nothing", returning="raised_at"
    )
    return bool(raised)


async def end_alarm(connection: AsyncConnection, scope: Scope) -> None:
    """Take the mark away, so that the next alarm is raised again."""
    where = zip(prediction_alarms.primary_key, scope, strict=True)
    await connection.execute(delete(prediction_alarms).where(*(column == value for column, value in where)))


async def alarmed(connection: AsyncConnection) -> set[Scope]:
    """Return the scopes whose predictions are marked as off."""
    columns = (prediction_alarms.c.merchant_id, prediction_alarms.c.placement, prediction_alarms.c.reward)
    return {Scope(*row) for row in await connection.execute(select(*columns))}


def _within(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    return (
        refits.c.merchant_id == scope.merchant_id,
        refits.c.placement == scope.placement,
        refits.c.reward == scope.reward,
    )
