"""Purchases of units of experiments that no decision led to, their refunds, and what they add to the sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.experiments.measures import MeasureTerms, measures_alone, terms_of
from engine.model.experiment import Experiment
from engine.model.outcome import Source
from engine.model.timestamps import DAY
from engine.store import accounts, resources
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.experiments.exposures import MeasureCell, OutcomeCell
from engine.store.folds import BOUGHT, MEASURES, Sums
from engine.store.tables import experiment_conversions, experiment_exposures


class ConversionRow(msgspec.Struct, frozen=True, array_like=True):
    """A reported purchase or refund; ids of events are unique in an experiment and `space`. Times are epoch ms.

    `counts` is False before the unit's exposure, after its window, and beyond the limits of browsers. `refund_of` is
    the event of the purchase that a refund is about, in the same `space`; empty for a purchase. A refund without an
    `amount` is about all that is left.
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
    refund_of: str = ""

    @property
    def key(self) -> ConversionKey:
        """Return what identifies the event."""
        return self.merchant_id, self.placement, self.experiment, self.space, self.event_id

    @property
    def content(self) -> tuple[object, ...]:
        """Return what a repetition of the event must say again; times may differ."""
        return self.unit, self.amount, self.currency, self.refund_of


ConversionKey = tuple[int, str, str, str, str]
"""Merchant, placement, experiment, space and event id."""


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
    return ConversionRow(*(await connection.execute(_select().where(*_has_key(row.key)))).one())


async def find(connection: AsyncConnection, key: ConversionKey, *, lock: bool = False) -> ConversionRow | None:
    """Return what is stored under an event; `lock` keeps other transactions from refunding it meanwhile."""
    query = _select().where(*_has_key(key))
    stored = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return ConversionRow(*stored) if stored is not None else None


async def refunds_of(connection: AsyncConnection, purchase: ConversionRow) -> list[int | None]:
    """Return the amounts that were refunded of a purchase; None is all that was left."""
    c = experiment_conversions.c
    query = select(c.amount).where(*_has_key(purchase.key[:-1]), c.refund_of == purchase.event_id, c.refund_of != "")
    return list((await connection.execute(query)).scalars())


def left_of(purchase: ConversionRow, refunds: Sequence[int | None]) -> int | None:
    """Return what is left of a purchase's amount after refunds; None where it has no amount and is not refunded."""
    if None in refunds:
        return 0
    return None if purchase.amount is None else purchase.amount - sum(refund or 0 for refund in refunds)


class FoldTerms(NamedTuple):
    """The terms for counting purchases of an experiment: the merchant's currency, and the measures of units."""

    currency: str
    measures: MeasureTerms

    @classmethod
    def of(cls, experiment: Experiment | None, currency: str) -> FoldTerms:
        """Return the terms of an experiment; of one that was deleted with its placement, only purchases count."""
        if experiment is None:
            return cls(currency, MeasureTerms(frozenset()))
        return cls(currency, terms_of(experiment, experiment.status.margin_percent))


def fold(
    sums: Sums, purchase: ConversionRow, terms: FoldTerms, *, refunds: Sequence[int | None] = (), sign: int = 1
) -> None:
    """Add a purchase, less its refunds, to what its unit bought; a whole refund takes the purchase back.

    Amounts in another currency than the merchant's count as 0.
    """
    left = left_of(purchase, refunds)
    if purchase.counts and not (refunds and left == 0):
        key = (purchase.merchant_id, purchase.placement, purchase.experiment, purchase.phase, purchase.unit)
        revenue, day = (left or 0) if purchase.currency == terms.currency else 0, purchase.occurred_at // DAY
        sums.add(BOUGHT, OutcomeCell(*key, day), sign, sign * revenue)
        for name, (times, amount) in measures_alone(terms.measures, revenue).items():
            sums.add(MEASURES, MeasureCell(*key, name, day), sign * times, sign * amount)


async def fold_all(connection: AsyncConnection, sums: Sums) -> None:
    """Add all purchases that count, less their refunds."""
    c = experiment_conversions.c
    experiments = {
        (merchant_id, resource.placement, resource.id): resource.document
        for merchant_id, resource in await resources.everywhere(connection, "experiment")
    }
    merchants = (await connection.execute(select(c.merchant_id).distinct())).scalars().all()
    for merchant_id in merchants:
        currency = await accounts.currency_of(connection, merchant_id)
        own = _select().where(c.merchant_id == merchant_id, c.counts)
        refunds: dict[ConversionKey, list[int | None]] = {}
        for stored in await connection.execute(own.where(c.refund_of != "")):
            refund = ConversionRow(*stored)
            refunds.setdefault((*refund.key[:-1], refund.refund_of), []).append(refund.amount)
        for stored in await connection.execute(own.where(c.refund_of == "")):
            purchase = ConversionRow(*stored)
            terms = FoldTerms.of(experiments.get(purchase.key[:3]), currency)
            fold(sums, purchase, terms, refunds=refunds.get(purchase.key, ()))


def _select() -> Select[Any]:
    return select(*(experiment_conversions.c[name] for name in COLUMNS))


def _has_key(key: Sequence[int | str]) -> list[ColumnElement[bool]]:
    """Return the conditions of a key, or of its first columns."""
    return [experiment_conversions.c[name] == value for name, value in zip(KEY, key, strict=False)]


def expired(*, before: int) -> Expired:
    """Return the purchases from before an instant (epoch ms)."""
    return Expired(experiment_conversions, experiment_conversions.c.occurred_at < before)
