"""The first exposures of units to variants, and what the units bought since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.timestamps import DAY, HOUR
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.experiments.sums import HOURS_A_DAY, UnitTotals
from engine.store.tables import experiment_changes, experiment_exposures, experiment_outcomes, experiment_sums
from engine.store.tables.experiments import UNIT_KEY


class UnitKey(NamedTuple):
    """A unit in a phase of an experiment."""

    merchant_id: int
    placement: str
    experiment: str
    phase: int
    unit: str


class OutcomeCell(NamedTuple):
    """The key of what a unit bought after decisions of one day."""

    merchant_id: int
    placement: str
    experiment: str
    phase: int
    unit: str
    day: int


class Exposure(NamedTuple):
    """The first exposure of a unit, at `exposed_at` epoch milliseconds; `past` counts its purchases before."""

    merchant_id: int
    placement: str
    experiment: str
    phase: int
    unit: str
    variant: str
    exposed_at: int
    segments: tuple[str, ...]
    past: int

    @property
    def key(self) -> UnitKey:
        """Return the unit that was exposed."""
        return UnitKey(*self[:5])


_SUM_KEY = ("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant")
_EXPOSURE_COLUMNS = (*Exposure._fields, "is_summed", "orders", "revenue")


class _Exposed(NamedTuple):
    """A row of `experiment_exposures`; `segments` is JSON."""

    merchant_id: int
    placement: str
    experiment: str
    phase: int
    unit: str
    variant: str
    exposed_at: int
    segments: str
    past: int
    is_summed: bool
    orders: int
    revenue: int


async def add(connection: AsyncConnection, exposures: Sequence[Exposure], bought: Iterable[UnitKey]) -> None:
    """Store first exposures, and note them and the units that bought as changed.

    A unit that was exposed before keeps its first exposure.
    """
    first: dict[UnitKey, Exposure] = {}
    for exposure in exposures:
        first.setdefault(exposure.key, exposure)
    rows = [
        (*exposure._replace(segments=msgspec.json.encode(exposure.segments).decode()), False, 0, 0)  # type: ignore[arg-type]
        for _, exposure in sorted(first.items())
    ]
    inserted = set(
        await insert_many(
            connection, experiment_exposures, _EXPOSURE_COLUMNS, rows, on_conflict="nothing", returning="unit"
        )
    )
    new = [key for key in first if key.unit in inserted]
    changed = [(*unit, 1) for unit in sorted({*new, *bought})]
    await insert_many(connection, experiment_changes, (*UNIT_KEY, "times"), changed, on_conflict="add")


def cell_hour(segment: str, exposed_at: int) -> int:
    """Return the hour under which a unit's sums are kept: that of its exposure, in segments the last of its day.

    Segments are not shown over time, and there are many, so that hours of them would make a look slow.
    """
    hour = exposed_at // HOUR
    return hour - hour % HOURS_A_DAY + HOURS_A_DAY - 1 if segment else hour


async def add_up(connection: AsyncConnection, *, limit: int) -> int:
    """Bring the sums up to date for at most `limit` changed units; return how many there were.

    Rows that another transaction holds are left to the next call.
    """
    changed = [experiment_changes.c[name] for name in UNIT_KEY]
    query = select(*changed).order_by(*changed).limit(limit).with_for_update(skip_locked=True)
    keys = [tuple(row) for row in await connection.execute(query)]
    if not keys:
        return 0
    sums: dict[tuple[object, ...], UnitTotals] = {}
    exposures: list[tuple[object, ...]] = []
    for exposure, orders, revenue in await _bought(connection, keys):
        old = UnitTotals.of(exposure.orders, exposure.revenue, exposure.past) if exposure.is_summed else UnitTotals()
        change = UnitTotals.of(orders, revenue, exposure.past).minus(old)
        for segment in ("", *msgspec.json.decode(exposure.segments)):
            cell = (*exposure[:4], segment, cell_hour(segment, exposure.exposed_at), exposure.variant)
            sums[cell] = sums.get(cell, UnitTotals()) + change
        exposures.append((*exposure[:-3], True, orders, revenue))
    rows = sorted((*cell, *totals) for cell, totals in sums.items() if any(totals))
    await insert_many(connection, experiment_sums, (*_SUM_KEY, *UnitTotals._fields), rows, on_conflict="add")
    await insert_many(connection, experiment_exposures, _EXPOSURE_COLUMNS, exposures, on_conflict="replace")
    await connection.execute(delete(experiment_changes).where(tuple_(*changed).in_(keys)))
    return len(keys)


async def _bought(connection: AsyncConnection, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, int, int]]:
    """Return the exposures of units with their orders and revenue."""
    own = [experiment_exposures.c[name] for name in _EXPOSURE_COLUMNS]
    c = experiment_outcomes.c
    same = and_(*(experiment_exposures.c[name] == c[name] for name in UNIT_KEY))
    query = (
        select(*own, func.coalesce(func.sum(c.orders), 0), func.coalesce(func.sum(c.revenue), 0))
        .select_from(experiment_exposures.outerjoin(experiment_outcomes, same))
        .where(tuple_(*own[: len(UNIT_KEY)]).in_(keys))
        .group_by(*own)
        .order_by(*own[: len(UNIT_KEY)])
    )
    width = len(own)
    return [(_Exposed(*row[:width]), int(row[width]), int(row[width + 1])) for row in await connection.execute(query)]


def expired(*, before: int) -> list[Expired]:
    """Return what is known of units before a time (epoch ms); the sums stay."""
    return [
        Expired(experiment_exposures, experiment_exposures.c.exposed_at < before),
        Expired(experiment_outcomes, experiment_outcomes.c.day < before // DAY),
    ]
