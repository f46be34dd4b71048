"""Store merchants' own retention, and count what it would delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, ColumnElement, Row, Select, Text, case, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.retention import NO_RETENTION_POLICY, RetentionKind, RetentionPolicy
from engine.model.timestamps import DAY, first_id_of, moment_of
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.customers import visits
from engine.store.log.old_decisions import expired_of
from engine.store.tables import (
    customer_setting_versions,
    customer_settings,
    decisions,
    experiment_conversions,
    experiment_exposures,
    experiment_measures,
    experiment_outcomes,
    mails,
    outcomes,
    retention_policies,
    usage,
    webhook_deliveries,
    webhook_endpoints,
)
from engine.store.tables.columns import DECISION_PREFIX

MOST_COUNTED = 20_000
"""Rows that a count reads of a table, so that it takes milliseconds whatever the size of the table."""

_AGES_OF_UNITS: tuple[tuple[Column[Any], int], ...] = (
    (experiment_exposures.c.exposed_at, 1),
    (experiment_outcomes.c.day, DAY),
    (experiment_measures.c.day, DAY),
    (experiment_conversions.c.occurred_at, 1),
)
_COLUMNS = ("merchant_id", "version", "document", "log_from")
_decode = msgspec.json.Decoder(RetentionPolicy).decode


class StoredRetention(NamedTuple):
    """A merchant's retention; version 0 where none was set. The log may lack decisions from before `log_from` (ms)."""

    version: int
    policy: RetentionPolicy
    log_from: int


NOTHING_STORED = StoredRetention(0, NO_RETENTION_POLICY, 0)


class CountedRows(NamedTuple):
    """The number of rows that would be deleted, at least if not `is_exact`, and the time of the oldest (epoch ms)."""

    rows: int
    is_exact: bool
    oldest_at: int | None


NOTHING_COUNTED = CountedRows(0, True, None)


async def get(connection: AsyncConnection, merchant_id: int) -> StoredRetention:
    """Return what a merchant has set."""
    c = retention_policies.c
    query = select(c.version, c.document, c.log_from).where(c.merchant_id == merchant_id)
    return _stored((await connection.execute(query)).one_or_none())


async def lock(connection: AsyncConnection, merchant_id: int) -> StoredRetention:
    """Return what a merchant has set, and hold it until the transaction ends, also where nothing was set yet."""
    nothing = (merchant_id, 0, "{}", 0)
    await insert_many(connection, retention_policies, _COLUMNS, [nothing], on_conflict="nothing")
    c = retention_policies.c
    query = select(c.version, c.document, c.log_from).where(c.merchant_id == merchant_id)
    return _stored((await connection.execute(query.with_for_update())).one())


async def put(connection: AsyncConnection, merchant_id: int, stored: StoredRetention) -> None:
    """Replace what is locked."""
    change = update(retention_policies).where(retention_policies.c.merchant_id == merchant_id)
    document = msgspec.json.encode(stored.policy).decode()
    await connection.execute(change.values(version=stored.version, document=document, log_from=stored.log_from))


async def all_stored(connection: AsyncConnection) -> dict[int, StoredRetention]:
    """Return what all merchants have set, by merchant."""
    c = retention_policies.c
    rows = await connection.execute(select(c.merchant_id, c.version, c.document, c.log_from))
    return {row.merchant_id: _stored(row[1:]) for row in rows}


def _stored(row: Row[Any] | tuple[Any, ...] | None) -> StoredRetention:
    return NOTHING_STORED if row is None else StoredRetention(row[0], _decode(row[1]), row[2])


async def count(
    connection: AsyncConnection, merchant_id: int, kind: RetentionKind, *, before: int
) -> dict[str, CountedRows]:
    """Count what is older than an instant (epoch ms), by the part of a kind."""
    match kind:
        case "decisions":
            return await _count_log(connection, merchant_id, before)
        case "preference_versions":
            rows = _replaced_versions(merchant_id)
        case "inactive_customers":
            return {"customers": await _count_inactive(connection, merchant_id, before)}
        case "webhook_deliveries":
            own = select(webhook_endpoints.c.id).where(webhook_endpoints.c.merchant_id == merchant_id)
            d = webhook_deliveries.c
            rows = select(d.created_at).where(d.endpoint_id.in_(own), d.state != "waiting")
        case "mails":
            rows = select(mails.c.created_at).where(mails.c.merchant_id == merchant_id, mails.c.state != "waiting")
    return {kind: await _count_older(connection, rows, before=before)}


async def _count_log(connection: AsyncConnection, merchant_id: int, before: int) -> dict[str, CountedRows]:
    expired = expired_of(merchant_id, before_id=first_id_of(before))
    logged, *following = await _count_decisions(connection, expired)
    of_decisions, observed = following
    o = outcomes.c
    purchases = select(o.occurred_at).where(o.merchant_id == merchant_id, o.decision_id.is_(None))
    alone = await _count_older(connection, purchases.order_by(o.occurred_at), before=before)
    units = [
        await _count_older(connection, _own(column, merchant_id), before=before // unit)
        for column, unit in _AGES_OF_UNITS
    ]
    return {
        "decisions": logged,
        "outcomes": _sum([of_decisions, alone]),
        "history": await _count_older(connection, _own(usage.c.day, merchant_id), before=before // DAY, unit=DAY),
        "observations": observed,
        "experiment_units": _sum(units)._replace(oldest_at=None),
    }


def _own(column: Column[Any], merchant_id: int) -> Select[Any]:
    return select(column).where(column.table.c.merchant_id == merchant_id)


def _replaced_versions(merchant_id: int) -> Select[Any]:
    v, s = customer_setting_versions, customer_settings
    same = (s.c.merchant_id == v.c.merchant_id) & (s.c.customer == v.c.customer)
    query = select(v.c.changed_at).join_from(v, s, same)
    return query.where(v.c.merchant_id == merchant_id, v.c.version < s.c.version)


async def _count_inactive(connection: AsyncConnection, merchant_id: int, before: int) -> CountedRows:
    day = customer_settings.c.seen_day
    rows = select(day).where(customer_settings.c.merchant_id == merchant_id, day > visits.NOT_KNOWN)
    before_day = before // DAY - visits.DAYS_LATE
    return await _count_older(connection, rows.order_by(day), before=before_day, unit=DAY)


def _sum(counts: Sequence[CountedRows]) -> CountedRows:
    moments = [each.oldest_at for each in counts if each.oldest_at is not None]
    rows = sum(each.rows for each in counts)
    return CountedRows(rows, all(each.is_exact for each in counts), min(moments, default=None))


async def _count_decisions(connection: AsyncConnection, expired: Expired) -> list[CountedRows]:
    """Count expired decisions, and then the rows of each table that follow the first `MOST_COUNTED`."""
    first = select(decisions.c.id).where(expired.condition).order_by(decisions.c.id)
    oldest = (await connection.execute(first.limit(1))).scalar_one_or_none()
    if oldest is None:
        return [NOTHING_COUNTED] * (1 + len(expired.followers))
    total = await _number(connection, first.limit(MOST_COUNTED + 1))
    is_exact = total <= MOST_COUNTED
    counts = [CountedRows(min(total, MOST_COUNTED), is_exact, moment_of(oldest))]
    ids = first.with_only_columns(_text_of_id(connection).label("id")).limit(MOST_COUNTED).subquery()
    for column in expired.followers:
        of_decisions = select(column).select_from(ids.join(column.table, column == ids.c.id))
        counts.append(CountedRows(await _number(connection, of_decisions), is_exact, None))
    return counts


async def _count_older(connection: AsyncConnection, rows: Select[Any], *, before: int, unit: int = 1) -> CountedRows:
    """Count those of the first rows whose only column, their age in `unit` ms, is less than `before`."""
    read = rows.limit(MOST_COUNTED + 1).subquery()
    age = next(iter(read.columns))
    expired = case((age < before, age))
    query = select(func.count(), func.count(expired), func.min(expired)).select_from(read)
    total, older, oldest = (await connection.execute(query)).one()
    return CountedRows(min(older, MOST_COUNTED), total <= MOST_COUNTED, None if oldest is None else oldest * unit)


async def _number(connection: AsyncConnection, rows: Select[Any]) -> int:
    query = select(func.count()).select_from(rows.subquery())
    return int((await connection.execute(query)).scalar_one())


def _text_of_id(connection: AsyncConnection) -> ColumnElement[str]:
    """Return the id of a decision as the tables of outcomes and observations have it."""
    if connection.dialect.name == "sqlite":
        digits: ColumnElement[str] = func.lower(func.hex(decisions.c.id), type_=Text)
    else:
        digits = func.encode(decisions.c.id, "hex", type_=Text)
    return literal(DECISION_PREFIX, Text) + digits
