"""Record purchases of units of experiments that no decision led to."""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.customers import Hasher
from engine.kernel.experiments.units import device_unit
from engine.model.experiment import Experiment, Unit
from engine.model.outcome import Source
from engine.model.timestamps import MINUTE
from engine.store import accounts, folds, resources
from engine.store.connection.database import Database
from engine.store.experiments import conversions
from engine.store.experiments.conversions import ConversionRow
from engine.store.folds import Sums

ConversionStatus = Literal["recorded", "duplicate", "conflict"]
BEFORE_EXPOSURE = "unit: it was not exposed before, so the purchase is not counted"
AFTER_WINDOW = "unit: its time for outcomes had ended, so the purchase is not counted"
BEYOND_LIMITS = "this address reports more than browsers may in a day, so the purchase is not counted"
OTHER_CONTENT = "event_id: another purchase is stored under this id; send this one with an id of its own"


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


class Conversions:
    """Counts each purchase once, and only between the unit's exposure and the end of its window."""

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
            return await _stored(connection, msgspec.structs.replace(row, phase=phase, counts=not reason), reason)

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


async def _stored(connection: AsyncConnection, row: ConversionRow, reason: str) -> ConversionReceipt:
    """Store a row with what it adds to the sums, once."""
    stored = await conversions.append(connection, row)
    if stored is row:
        sums = Sums()
        conversions.fold(sums, row, await accounts.currency_of(connection, row.merchant_id))
        await folds.add(connection, sums)
        return ConversionReceipt(row.event_id, "recorded", row.counts, reason)
    if stored.content == row.content:
        return ConversionReceipt(row.event_id, "duplicate", stored.counts)
    return ConversionReceipt(row.event_id, "conflict", False, OTHER_CONTENT)
