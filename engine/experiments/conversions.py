"""Record purchases of units of experiments that no decision led to, and their refunds."""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.customers import Hasher
from engine.kernel.experiments.units import device_unit
from engine.model.errors import NotFound, invalid
from engine.model.experiment import Experiment, Unit
from engine.model.outcome import Source
from engine.model.timestamps import MINUTE
from engine.store import accounts, folds, resources
from engine.store.connection.database import Database
from engine.store.experiments import conversions
from engine.store.experiments.conversions import ConversionRow, FoldTerms
from engine.store.folds import Sums

ConversionStatus = Literal["recorded", "duplicate", "conflict"]
BEFORE_EXPOSURE = "unit: it was not exposed before, so the purchase is not counted"
AFTER_WINDOW = "unit: its time for outcomes had ended, so the purchase is not counted"
BEYOND_LIMITS = "this address reports more than browsers may in a day, so the purchase is not counted"
MISSING = "no purchase is stored under the event “{id}” in this experiment"
OTHER_CONTENT = "event_id: another event is stored under this id; send this one with an id of its own"


class ReportedConversion(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase of a unit as the shop names it. `learns` is False beyond the limits of browsers."""

    event_id: str
    unit: str
    amount: int | None
    currency: str | None
    occurred_at: int
    recorded_at: int
    source: Source
    key_id: str
    learns: bool = True


class ConversionReceipt(msgspec.Struct, frozen=True):
    """What became of a purchase; `counted`: it is among what its unit bought."""

    event_id: str
    status: ConversionStatus
    counted: bool
    message: str = ""


class ReportedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of the purchase that was reported as `purchase`, by a browser of `unit` where that is given.

    `amount` is in minor units of the purchase's currency; None is all that is left.
    """

    event_id: str
    purchase: str
    unit: str | None
    amount: int | None
    occurred_at: int
    recorded_at: int
    key_id: str


class RefundReceipt(msgspec.Struct, frozen=True):
    """What became of a refund; `left`: what is left of the purchase's amount now, null where it has none.

    `counted` says whether the purchase is among what its unit bought, less its refunds.
    """

    event_id: str
    status: ConversionStatus
    counted: bool
    left: int | None = None
    message: str = ""


class Conversions:
    """Counts each purchase once, less its refunds, if it came between the unit's exposure and the end of its window."""

    def __init__(self, database: Database, hasher: Hasher) -> None:
        self._database = database
        self._hasher = hasher

    async def unit_kind(self, merchant_id: int, placement: str, id: str) -> Unit:
        """Return what an experiment assigns; raise `NotFound` for a missing one."""
        async with self._database.read() as connection:
            resource = await resources.get(connection, merchant_id, "experiment", placement, id)
        document: Experiment = resource.document
        return document.unit

    async def record(
        self, merchant_id: int, placement: str, id: str, reported: ReportedConversion
    ) -> ConversionReceipt:
        """Store a purchase and add it to what its unit bought; raise `NotFound` for a missing experiment."""

        async def work(connection: AsyncConnection) -> ConversionReceipt:
            experiment = (await resources.get(connection, merchant_id, "experiment", placement, id)).document
            setup = (await resources.get(connection, merchant_id, "placement", "", placement)).document
            row = self._row(merchant_id, placement, experiment, reported)
            exposure = await conversions.exposure_before(connection, row)
            reason = "" if reported.learns else BEYOND_LIMITS
            if exposure is None:
                reason = BEFORE_EXPOSURE
            elif row.occurred_at > exposure.exposed_at + setup.window_minutes * MINUTE:
                reason = AFTER_WINDOW
            phase = exposure.phase if exposure is not None else row.phase
            row = msgspec.structs.replace(row, phase=phase, counts=not reason)
            return await _stored(connection, row, reason, await _terms(connection, merchant_id, experiment))

        return await self._database.transact(work)

    async def refund(self, merchant_id: int, placement: str, id: str, reported: ReportedRefund) -> RefundReceipt:
        """Store a refund and take it off what the unit bought, whenever the purchase was.

        Raise `NotFound` for a missing experiment or purchase, `Invalid` for more than is left of the purchase.
        """

        async def work(connection: AsyncConnection) -> RefundReceipt:
            experiment = (await resources.get(connection, merchant_id, "experiment", placement, id)).document
            space = "" if reported.unit is None else self._named(merchant_id, experiment.unit, reported.unit)
            key = (merchant_id, placement, experiment.id, space, reported.purchase)
            purchase = await conversions.find(connection, key, lock=True)
            if purchase is None or purchase.refund_of:
                raise NotFound(MISSING.format(id=reported.purchase), field="purchase_event_id")
            terms = await _terms(connection, merchant_id, experiment)
            return await _refunded(connection, purchase, reported, terms)

        return await self._database.transact(work)

    def _row(
        self, merchant_id: int, placement: str, experiment: Experiment, reported: ReportedConversion
    ) -> ConversionRow:
        unit = self._named(merchant_id, experiment.unit, reported.unit)
        return ConversionRow(
            merchant_id=merchant_id,
            placement=placement,
            experiment=experiment.id,
            space="" if reported.source == "server" else unit,
            event_id=reported.event_id,
            phase=experiment.status.phase,
            unit=unit,
            amount=reported.amount,
            currency=reported.currency,
            occurred_at=reported.occurred_at,
            recorded_at=reported.recorded_at,
            source=reported.source,
            key_id=reported.key_id,
            counts=False,
        )

    def _named(self, merchant_id: int, kind: Unit, unit: str) -> str:
        """Return a unit as exposures name it."""
        match kind:
            case "customer":
                return self._hasher(merchant_id, unit)
            case "device":
                return device_unit(unit)
            case "decision":
                return unit


async def _terms(connection: AsyncConnection, merchant_id: int, experiment: Experiment) -> FoldTerms:
    return FoldTerms.of(experiment, await accounts.currency_of(connection, merchant_id))


async def _stored(connection: AsyncConnection, row: ConversionRow, reason: str, terms: FoldTerms) -> ConversionReceipt:
    """Store a row with what it adds to the sums, once."""
    stored = await conversions.append(connection, row)
    if stored is row:
        sums = Sums()
        conversions.fold(sums, row, terms)
        await folds.add(connection, sums)
        return ConversionReceipt(row.event_id, "recorded", row.counts, reason)
    if stored.content == row.content:
        return ConversionReceipt(row.event_id, "duplicate", stored.counts)
    return ConversionReceipt(row.event_id, "conflict", False, OTHER_CONTENT)


async def _refunded(
    connection: AsyncConnection, purchase: ConversionRow, reported: ReportedRefund, terms: FoldTerms
) -> RefundReceipt:
    """Store a refund of a locked purchase with what it takes off the sums, once."""
    row = _refund_row(purchase, reported)
    refunds = await conversions.refunds_of(connection, purchase)
    stored = await conversions.find(connection, row.key)
    if stored is not None:
        is_same, left = stored.content == row.content, conversions.left_of(purchase, refunds)
        if not is_same:
            return RefundReceipt(row.event_id, "conflict", False, left, OTHER_CONTENT)
        return RefundReceipt(row.event_id, "duplicate", row.counts, left)
    _check_left(conversions.left_of(purchase, refunds), reported, is_refunded=bool(refunds))
    await conversions.append(connection, row)
    sums = Sums()
    conversions.fold(sums, purchase, terms, refunds=refunds, sign=-1)
    conversions.fold(sums, purchase, terms, refunds=[*refunds, row.amount])
    await folds.add(connection, sums)
    return RefundReceipt(row.event_id, "recorded", row.counts, conversions.left_of(purchase, [*refunds, row.amount]))


def _refund_row(purchase: ConversionRow, reported: ReportedRefund) -> ConversionRow:
    return msgspec.structs.replace(
        purchase,
        event_id=reported.event_id,
        amount=reported.amount,
        occurred_at=reported.occurred_at,
        recorded_at=reported.recorded_at,
        source="server",
        key_id=reported.key_id,
        refund_of=purchase.event_id,
    )


def _check_left(left: int | None, reported: ReportedRefund, *, is_refunded: bool) -> None:
    """Raise `Invalid` for a refund of more than is left of a purchase."""
    if is_refunded and not left:
        raise invalid("purchase_event_id", f"the purchase “{reported.purchase}” is refunded in full already")
    if reported.amount is None:
        return
    if left is None:
        raise invalid("amount", "the purchase was reported without an amount; leave this out to refund all of it")
    if reported.amount > left:
        raise invalid("amount", f"must be at most {left} minor units, which is what is left of the purchase")
