"""The first exposures of units to variants, and what the units bought since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.experiments.sums import UnitTotals
from engine.store.tables import experiment_changes, experiment_exposures, experiment_outcomes, experiment_sums
from engine.store.tables.experiments import UNIT_KEY

HOUR = 3_600_000


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


Changes = dict[tuple[object, ...], UnitTotals]

_SUM_KEY = ("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant")
_EXPOSURE_COLUMNS = (*Exposure._fields, "is_summed", "orders", "revenue")


async def add_exposures(connection: AsyncConnection, exposures: Sequence[Exposure]) -> None:
    """Store first exposures; a unit that was exposed before keeps its first one."""
    if not exposures:
        return
    first: dict[UnitKey, Exposure] = {}
    for exposure in exposures:
        first.setdefault(exposure.key, exposure)
    rows = [
        (*exposure._replace(segments=msgspec.json.encode(exposure.segments).decode()), False, 0, 0)  # type: ignore[arg-type]
        for _, exposure in sorted(first.items())
    ]
    await insert_many(connection, experiment_exposures, _EXPOSURE_COLUMNS, rows, on_conflict="nothing")
    await note_changes(connection, first)


async def note_changes(connection: AsyncConnection, units: Iterable[UnitKey]) -> None:
    """Note units whose sums have to be brought up to date."""
    rows = [(*unit, 1) for unit in sorted(set(units))]
    await insert_many(connection, experiment_changes, (*UNIT_KEY, "times"), rows, on_conflict="add")


async def add_up(connection: AsyncConnection, *, limit: int) -> int:
    """Bring the sums up to date for at most `limit` changed units; return how many there were.

    Another worker that does the same waits for the rows, or takes others.
    """
    c = experiment_changes.c
    query = select(*(c[name] for name in UNIT_KEY)).order_by(*(c[name] for name in UNIT_KEY)).limit(limit)
    keys = [UnitKey(*row) for row in await connection.execute(query.with_for_update(skip_locked=True))]
    changes: Changes = {}
    for key in keys:
        await _add_up_unit(connection, key, changes)
        await connection.execute(delete(experiment_changes).where(*(c[n] == v for n, v in key._asdict().items())))
    rows = sorted((*cell, *totals) for cell, totals in changes.items() if any(totals))
    await insert_many(connection, experiment_sums, (*_SUM_KEY, *UnitTotals._fields), rows, on_conflict="add")
    return len(keys)


async def _add_up_unit(connection: AsyncConnection, key: UnitKey, changes: Changes) -> None:
    """Add to `changes` what a unit's sums lack."""
    where = [experiment_exposures.c[name] == value for name, value in key._asdict().items()]
    exposure = (await connection.execute(select(experiment_exposures).where(*where).with_for_update())).first()
    if exposure is None:
        return
    c = experiment_outcomes.c
    bought = select(func.coalesce(func.sum(c.orders), 0), func.coalesce(func.sum(c.revenue), 0)).where(
        *(c[name] == value for name, value in key._asdict().items())
    )
    orders, revenue = (int(value) for value in (await connection.execute(bought)).one())
    old = UnitTotals.of(exposure.orders, exposure.revenue, exposure.past) if exposure.is_summed else UnitTotals()
    change = UnitTotals.of(orders, revenue, exposure.past).minus(old)
    for segment in ("", *msgspec.json.decode(exposure.segments)):
        cell = (*key[:4], segment, exposure.exposed_at // HOUR, exposure.variant)
        changes[cell] = changes.get(cell, UnitTotals()) + change
    values = {"is_summed": True, "orders": orders, "revenue": revenue}
    await connection.execute(update(experiment_exposures).where(*where).values(values))


async def exposure_of(connection: AsyncConnection, key: UnitKey) -> tuple[str, int] | None:
    """Return the variant that a unit was exposed to, and when; None if it was not."""
    c = experiment_exposures.c
    query = select(c.variant, c.exposed_at).where(*(c[name] == value for name, value in key._asdict().items()))
    row = (await connection.execute(query)).first()
    return (row.variant, row.exposed_at) if row else None


async def purge(connection: AsyncConnection, *, before: int, before_day: int) -> None:
    """Delete what is known of units before a time (epoch ms); the sums stay."""
    await connection.execute(delete(experiment_exposures).where(experiment_exposures.c.exposed_at < before))
    await connection.execute(delete(experiment_outcomes).where(experiment_outcomes.c.day < before_day))
