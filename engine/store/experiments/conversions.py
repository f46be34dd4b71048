"""Purchases of units of experiments that no decision led to, and what they add to the sums."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.outcome import Source
from engine.model.timestamps import DAY
from engine.store import accounts
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.experiments.exposures import OutcomeCell
from engine.store.folds import BOUGHT, Sums
from engine.store.tables import experiment_conversions, experiment_exposures


class ConversionRow(msgspec.Struct, frozen=True, array_like=True):
    """A reported purchase; ids of events are unique in an experiment and `space`. Times are epoch milliseconds.

    `counts` is False before the unit's exposure, after its window, and beyond the limits of browsers.
    """

    merchant_id: int
    placement: str
    experiment: str
    space: str
    event_id: str
    phase: int
    unit: str
    amount: int | None
    currency: str | None
    occurred_at: int
    recorded_at: int
    source: Source
    key_id: str
    counts: bool

    @property
    def content(self) -> tuple[object, ...]:
        """Return what a repetition of the event must say again; times may differ."""
        return self.unit, self.amount, self.currency


class FirstExposure(NamedTuple):
    """When a unit was first exposed in a phase, epoch milliseconds."""

    phase: int
    exposed_at: int


COLUMNS = ConversionRow.__struct_fields__
KEY = ("merchant_id", "placement", "experiment", "space", "event_id")


async def exposure_before(connection: AsyncConnection, row: ConversionRow) -> FirstExposure | None:
    """Return the latest phase in which the unit of a row was exposed by the time of the purchase."""
    c = experiment_exposures.c
    query = (
        select(c.phase, c.exposed_at)
        .where(
            c.merchant_id == row.merchant_id,
            c.placement == row.placement,
            c.experiment == row.experiment,
            c.phase <= row.phase,
            c.unit == row.unit,
            c.exposed_at <= row.occurred_at,
        )
        .order_by(c.phase.desc())
        .limit(1)
    )
    first = (await connection.execute(query)).first()
    return FirstExposure(*first) if first is not None else None


async def append(connection: AsyncConnection, row: ConversionRow) -> ConversionRow:
    """Store a row, or nothing where its event is stored already; return what is stored under the event."""
    new = await insert_many(
        connection, experiment_conversions, COLUMNS, [row], on_conflict="nothing", returning="event_id"
    )
    if new:
        return row
    c = experiment_conversions.c
    query = select(*(c[name] for name in COLUMNS)).where(*(c[name] == getattr(row, name) for name in KEY))
    return ConversionRow(*(await connection.execute(query)).one())


def fold(sums: Sums, row: ConversionRow, currency: str) -> None:
    """Add a purchase to what its unit bought; amounts in another currency than the merchant's count as 0."""
    if row.counts:
        key = (row.merchant_id, row.placement, row.experiment, row.phase, row.unit)
        revenue = (row.amount or 0) if row.currency == currency else 0
        sums.add(BOUGHT, OutcomeCell(*key, row.occurred_at // DAY), 1, revenue)


async def fold_all(connection: AsyncConnection, sums: Sums) -> None:
    """Add all purchases that count."""
    c = experiment_conversions.c
    merchants = (await connection.execute(select(c.merchant_id).distinct())).scalars().all()
    for merchant_id in merchants:
        currency = await accounts.currency_of(connection, merchant_id)
        rows = await connection.execute(
            select(*(c[name] for name in COLUMNS)).where(c.merchant_id == merchant_id, c.counts)
        )
        for row in rows:
            fold(sums, ConversionRow(*row), currency)


def expired(*, before: int) -> Expired:
    """Return the purchases from before an instant (epoch ms)."""
    return Expired(experiment_conversions, experiment_conversions.c.occurred_at < before)
