"""The first exposures of units to variants, and what the units bought since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.metric import PURCHASES
from engine.model.timestamps import DAY, HOUR
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired, with_keys
from engine.store.experiments.sums import HOURS_A_DAY, MEASURE_FIELDS, UnitTotals
from engine.store.tables import (
    experiment_changes,
    experiment_exposures,
    experiment_measure_sums,
    experiment_measures,
    experiment_outcomes,
    experiment_sums,
)
from engine.store.tables.experiments import UNIT_KEY

OF_UNITS = (experiment_exposures, experiment_outcomes, experiment_measures, experiment_changes)
"""Tables with the key of a unit."""


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


class MeasureCell(NamedTuple):
    """The key of another measure of a unit, after decisions of one day."""

    merchant_id: int
    placement: str
    experiment: str
    phase: int
    unit: str
    measure: str
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
_PURCHASE_COLUMNS = (*_SUM_KEY, *UnitTotals._fields)
_MEASURE_COLUMNS = (*_SUM_KEY, "measure", *MEASURE_FIELDS)
_EXPOSURE_COLUMNS = (*Exposure._fields, "is_summed", "orders", "revenue", "measured")


class _Exposed(NamedTuple):
    """A row of `experiment_exposures`; `segments` and `measured` are JSON."""

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
    measured: str

    @property
    def summed(self) -> Bought:
        """Return what has been added to the sums."""
        own = {PURCHASES: (self.orders, self.revenue)} if self.is_summed else {}
        return own | _measured(self.measured)


Bought = Mapping[str, tuple[int, int]]
"""How often and how much by measure; the measure "" is purchases."""

_measured = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode


async def add(connection: AsyncConnection, exposures: Sequence[Exposure], bought: Iterable[UnitKey]) -> None:
    """Store first exposures, and note them and the units that bought as changed.

    A unit that was exposed before keeps its first exposure.
    """
    first: dict[UnitKey, Exposure] = {}
    for exposure in exposures:
        first.setdefault(exposure.key, exposure)
    rows = [
        (*exposure._replace(segments=msgspec.json.encode(exposure.segments).decode()), False, 0, 0, "{}")  # type: ignore[arg-type]
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
    for exposure, bought in await _bought(connection, keys):
        for measure, change in _changes(exposure, bought):
            for segment in ("", *msgspec.json.decode(exposure.segments)):
                cell = (*exposure[:4], segment, cell_hour(segment, exposure.exposed_at), exposure.variant, measure)
                sums[cell] = sums.get(cell, UnitTotals()) + change
        others = {measure: values for measure, values in bought.items() if measure != PURCHASES}
        exposures.append((*exposure[:-4], True, *bought[PURCHASES], msgspec.json.encode(others).decode()))
    await _add_sums(connection, sums)
    await insert_many(connection, experiment_exposures, _EXPOSURE_COLUMNS, exposures, on_conflict="replace")
    await connection.execute(delete(experiment_changes).where(_rows_of(experiment_changes, keys)))
    return len(keys)


def _changes(exposure: _Exposed, bought: Bought) -> Iterator[tuple[str, UnitTotals]]:
    """Yield by measure what the sums of a unit's cells change by."""
    before = exposure.summed
    for measure in sorted(before.keys() | bought.keys()):
        of = UnitTotals.of if measure == PURCHASES else UnitTotals.of_measure
        old = of(*before[measure], exposure.past) if measure in before else UnitTotals()
        new = of(*bought[measure], exposure.past) if measure in bought else UnitTotals()
        yield measure, new.minus(old)


async def _add_sums(connection: AsyncConnection, sums: Mapping[tuple[object, ...], UnitTotals]) -> None:
    """Add changes by cell and measure to the tables of sums."""
    cells = sorted((cell, totals) for cell, totals in sums.items() if any(totals))
    purchases = [(*cell[:-1], *totals) for cell, totals in cells if cell[-1] == PURCHASES]
    others = [
        (*cell, *(getattr(totals, name) for name in MEASURE_FIELDS)) for cell, totals in cells if cell[-1] != PURCHASES
    ]
    await insert_many(connection, experiment_sums, _PURCHASE_COLUMNS, purchases, on_conflict="add")
    await insert_many(connection, experiment_measure_sums, _MEASURE_COLUMNS, others, on_conflict="add")


async def _bought(connection: AsyncConnection, keys: Sequence[tuple[Any, ...]]) -> list[tuple[_Exposed, Bought]]:
    """Return the exposures of units with what they bought, and what else is measured of them."""
    own = [experiment_exposures.c[name] for name in _EXPOSURE_COLUMNS]
    c = experiment_outcomes.c
    same = and_(*(experiment_exposures.c[name] == c[name] for name in UNIT_KEY))
    query = (
        select(*own, func.coalesce(func.sum(c.orders), 0), func.coalesce(func.sum(c.revenue), 0))
        .select_from(experiment_exposures.outerjoin(experiment_outcomes, same))
        .where(_rows_of(experiment_exposures, keys))
        .group_by(*own)
        .order_by(*own[: len(UNIT_KEY)])
    )
    others = await _others(connection, keys)
    units: list[tuple[_Exposed, Bought]] = []
    for row in await connection.execute(query):
        exposed = _Exposed(*row[: len(own)])
        purchases = (int(row[len(own)]), int(row[len(own) + 1]))
        units.append((exposed, {PURCHASES: purchases} | others.get(UnitKey(*exposed[:5]), {})))
    return units


async def _others(
    connection: AsyncConnection, keys: Sequence[tuple[Any, ...]]
) -> Mapping[UnitKey, dict[str, tuple[int, int]]]:
    """Return the other measures of units."""
    c = experiment_measures.c
    unit = [c[name] for name in UNIT_KEY]
    query = select(*unit, c.measure, func.sum(c.times), func.sum(c.amount)).where(_rows_of(experiment_measures, keys))
    measures: dict[UnitKey, dict[str, tuple[int, int]]] = {}
    for *key, measure, times, amount in await connection.execute(query.group_by(*unit, c.measure)):
        if times or amount:
            measures.setdefault(UnitKey(*key), {})[measure] = (int(times), int(amount))
    return measures


async def keys_of_units(connection: AsyncConnection, merchant_id: int, units: Sequence[str]) -> list[UnitKey]:
    """Return where anything is known of units. This reads all units of the merchant: see `purging`."""
    keys: set[UnitKey] = set()
    for table in OF_UNITS:
        query = select(*(table.c[name] for name in UNIT_KEY)).distinct()
        query = query.where(table.c.merchant_id == merchant_id, table.c.unit.in_(units))
        keys.update(UnitKey(*row) for row in await connection.execute(query))
    return sorted(keys)


async def forget(connection: AsyncConnection, keys: Sequence[UnitKey]) -> None:
    """Delete all that is known of units, and take what they added out of the sums."""
    if not keys:
        return
    own = [experiment_exposures.c[name] for name in _EXPOSURE_COLUMNS]
    query = select(*own).where(_rows_of(experiment_exposures, keys))
    exposed = [_Exposed(*row) for row in await connection.execute(query.with_for_update())]
    sums: dict[tuple[object, ...], UnitTotals] = {}
    for exposure in exposed:
        for measure, change in _changes(exposure, {}):
            for segment in ("", *msgspec.json.decode(exposure.segments)):
                cell = (*exposure[:4], segment, cell_hour(segment, exposure.exposed_at), exposure.variant, measure)
                sums[cell] = sums.get(cell, UnitTotals()) + change
    await _add_sums(connection, sums)
    for table in OF_UNITS:
        await connection.execute(delete(table).where(_rows_of(table, keys)))
    await _remove_empty_sums(connection, sorted({key[:-1] for key in keys}))


def _rows_of(table: Table, keys: Iterable[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Return the condition of the rows of units, at least one.

    It goes phase by phase, as SQLite uses no index for several columns at once.
    """
    units: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for *phase, unit in keys:
        units[tuple(phase)].append(unit)
    columns = [table.c[name] for name in UNIT_KEY[:-1]]
    own = (
        and_(*(column == value for column, value in zip(columns, phase, strict=True)), table.c.unit.in_(some))
        for phase, some in units.items()
    )
    return or_(*own)


async def _remove_empty_sums(connection: AsyncConnection, phases: Sequence[tuple[Any, ...]]) -> None:
    """Delete sums of phases of experiments that came back to zero, as if they had never been."""
    for table, fields in ((experiment_sums, UnitTotals._fields), (experiment_measure_sums, MEASURE_FIELDS)):
        zeros = [table.c[name] == 0 for name in fields]
        own = with_keys([table.c[name] for name in UNIT_KEY[:-1]], phases)
        await connection.execute(delete(table).where(own, *zeros))


def expired(*, before: int) -> list[Expired]:
    """Return what is known of units before a time (epoch ms); the sums stay."""
    return [
        Expired(experiment_exposures, experiment_exposures.c.exposed_at < before),
        Expired(experiment_outcomes, experiment_outcomes.c.day < before // DAY),
        Expired(experiment_measures, experiment_measures.c.day < before // DAY),
    ]
