"""Count how often rules fired, fields arrived and candidates came first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, case, cast, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.timestamps import DAY, MINUTE
from engine.statistics.share import Share
from engine.store.connection.bulk import insert_many
from engine.store.connection.database import Database
from engine.store.connection.purging import Expired, purge
from engine.store.connection.writers import writer_number
from engine.store.tables import field_days, field_faults, rule_days, rule_fired, tallies

TALLY_COLUMNS = ("merchant_id", "placement", "minute", "candidate", "firsts", "writer")


class RuleCell(NamedTuple):
    """A rule on a day: fired, where `lacked` is empty, or skipped for lack of that field."""

    merchant_id: int
    placement: str
    rule: str
    day: int
    lacked: str


class RuleKey(NamedTuple):
    merchant_id: int
    placement: str
    rule: str


class FieldCell(NamedTuple):
    """A field on a day; the field "" stands for decisions, of which the others are parts."""

    merchant_id: int
    field: str
    day: int


class Faults(NamedTuple):
    """The number of values of a field that were not understood, and the last time (epoch milliseconds)."""

    times: int
    last_at: int


async def add(
    connection: AsyncConnection,
    rules: Mapping[RuleCell, int],
    fields: Mapping[FieldCell, int],
    last_fired: Mapping[RuleKey, int],
) -> None:
    """Add what was counted; `last_fired` in epoch milliseconds."""
    uses, arrived = _rows(rules), _rows(fields)
    await insert_many(connection, rule_days, (*RuleCell._fields, "times"), uses, on_conflict="add")
    await insert_many(connection, field_days, (*FieldCell._fields, "times"), arrived, on_conflict="add")
    fired = _rows(last_fired)
    await insert_many(connection, rule_fired, (*RuleKey._fields, "at"), fired, on_conflict="replace")


def _rows(cells: Mapping[Any, int]) -> list[tuple[Any, ...]]:
    return sorted((*cell, number) for cell, number in cells.items())


class RuleDay(NamedTuple):
    """Counts of a rule on a day; `lacked` as in `RuleCell`."""

    rule: str
    day: int
    lacked: str
    times: int


async def rule_uses(
    connection: AsyncConnection, merchant_id: int, placement: str, *, since_day: int, rule: str | None = None
) -> list[RuleDay]:
    query = select(*(rule_days.c[name] for name in RuleDay._fields)).where(
        rule_days.c.merchant_id == merchant_id, rule_days.c.placement == placement, rule_days.c.day >= since_day
    )
    if rule is not None:
        query = query.where(rule_days.c.rule == rule)
    rows = await connection.execute(query.order_by(rule_days.c.rule, rule_days.c.day, rule_days.c.lacked))
    return [RuleDay(*row) for row in rows]


async def last_fired(connection: AsyncConnection, merchant_id: int, placement: str) -> dict[str, int]:
    """When each rule fired last, in epoch milliseconds."""
    query = select(rule_fired.c.rule, rule_fired.c.at).where(
        rule_fired.c.merchant_id == merchant_id, rule_fired.c.placement == placement
    )
    return {row.rule: row.at for row in await connection.execute(query)}


async def field_uses(connection: AsyncConnection, merchant_id: int, *, since_day: int) -> dict[str, int]:
    """Count the decisions that had each field; under "", all decisions."""
    query = (
        select(field_days.c.field, func.sum(field_days.c.times))
        .where(field_days.c.merchant_id == merchant_id, field_days.c.day >= since_day)
        .group_by(field_days.c.field)
    )
    return {field: int(times) for field, times in await connection.execute(query)}


async def add_faults(connection: AsyncConnection, counts: Mapping[FieldCell, Faults]) -> None:
    """Add how often fields were not understood; the field "" stands for facts that are not declared."""
    columns = (*FieldCell._fields, "times", "last_at")
    new = [(*cell, 0, 0) for cell in sorted(counts)]
    await insert_many(connection, field_faults, columns, new, on_conflict="nothing")
    last_at = field_faults.c.last_at
    add = (
        update(field_faults)
        .where(*(field_faults.c[name] == bindparam(f"in_{name}") for name in FieldCell._fields))
        .values(
            times=field_faults.c.times + bindparam("more"),
            last_at=case((last_at < bindparam("last"), bindparam("last")), else_=last_at),
        )
    )
    rows = [
        {"more": times, "last": last, **{f"in_{name}": value for name, value in cell._asdict().items()}}
        for cell, (times, last) in sorted(counts.items())
    ]
    await connection.execute(add, rows)


async def faults(connection: AsyncConnection, merchant_id: int, *, since_day: int) -> dict[str, Faults]:
    """Return the fields that were not understood; under "", facts that are not declared."""
    query = (
        select(field_faults.c.field, func.sum(field_faults.c.times), func.max(field_faults.c.last_at))
        .where(field_faults.c.merchant_id == merchant_id, field_faults.c.day >= since_day)
        .group_by(field_faults.c.field)
    )
    rows = await connection.execute(query)
    return {field: Faults(int(times), int(last_at)) for field, times, last_at in rows}


def expired(*, before_minute: int) -> list[Expired]:
    """Return the counts of rules, fields and first candidates before a minute; of its day, all stay."""
    before_day = before_minute * MINUTE // DAY
    by_day = [Expired(table, table.c.day < before_day) for table in (rule_days, field_days, field_faults)]
    return [*by_day, Expired(tallies, tallies.c.minute < before_minute)]


async def add_firsts(connection: AsyncConnection, firsts: dict[tuple[int, str, int, str], int]) -> None:
    own = writer_number(connection)
    rows = sorted((*cell, count, own) for cell, count in firsts.items())
    await insert_many(connection, tallies, TALLY_COLUMNS, rows, on_conflict="add")


async def remove_empty(database: Database, merchant_id: int) -> None:
    """Delete the counts of a merchant that came back to zero, as if they had never been."""
    counts = (tallies.c.firsts, rule_days.c.times, field_days.c.times)
    await purge(
        database, [Expired(each.table, (each.table.c.merchant_id == merchant_id) & (each == 0)) for each in counts]
    )


async def traffic_by_hour(connection: AsyncConnection, merchant_id: int, *, since: int) -> list[int]:
    """Return how many answers of a merchant showed something in each hour of the day (24,), UTC, since a minute."""
    hour = tallies.c.minute // 60 % 24
    query = select(hour, func.sum(tallies.c.firsts)).where(
        tallies.c.merchant_id == merchant_id, tallies.c.minute >= since
    )
    counts = [0] * 24
    for number, firsts in await connection.execute(query.group_by(hour)):
        counts[int(number)] = int(firsts)
    return counts


async def shares(
    connection: AsyncConnection, merchant_id: int, placement: str, *, since_minute: int, step: int = 1
) -> list[Share]:
    """Return who came first, added up over `step` minutes."""
    minute = tallies.c.minute - tallies.c.minute % step
    query = (
        select(minute, tallies.c.candidate, func.sum(tallies.c.firsts))
        .where(
            tallies.c.merchant_id == merchant_id,
            tallies.c.placement == placement,
            tallies.c.minute >= since_minute,
        )
        .group_by(minute, tallies.c.candidate)
        .order_by(minute, tallies.c.candidate)
    )
    return [Share(row[0], row[1], int(row[2])) for row in await connection.execute(query)]


async def answers_by_span(
    connection: AsyncConnection,
    merchant_id: int,
    placement: str,
    *,
    since_minute: int,
    before_minute: int,
    span_ms: int,
) -> dict[int, int]:
    """Return how many answers showed something, from a minute on and before another.

    The keys number spans of `span_ms` milliseconds from the epoch on.
    """
    # By minute first, in the order of the index: half the time of sorting all rows by their span.
    query = select(tallies.c.minute, func.sum(tallies.c.firsts).label("firsts")).where(
        tallies.c.merchant_id == merchant_id,
        tallies.c.placement == placement,
        tallies.c.minute >= since_minute,
        tallies.c.minute < before_minute,
    )
    minutes = query.group_by(tallies.c.minute).subquery()
    span = (cast(minutes.c.minute, BigInteger) * MINUTE // span_ms).label("span")
    rows = await connection.execute(select(span, func.sum(minutes.c.firsts)).group_by(span).order_by(span))
    return {int(number): int(firsts) for number, firsts in rows}


async def first_minute(connection: AsyncConnection, merchant_id: int, placement: str) -> int | None:
    """Return the first minute that is kept in which a placement showed something; None if there is none."""
    query = select(func.min(tallies.c.minute)).where(
        tallies.c.merchant_id == merchant_id, tallies.c.placement == placement
    )
    minute: int | None = (await connection.execute(query)).scalar()
    return minute
