"""Store which candidates merchants report as unavailable."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.availability import NO_REPORT, Availability, AvailabilityReport
from engine.store.connection.bulk import insert_many
from engine.store.tables import availability

_COLUMNS = ("merchant_id", "placement", "version", "document")
_NOTHING = "{}"
_decode = msgspec.json.Decoder(Availability).decode


async def get(connection: AsyncConnection, merchant_id: int, placement: str) -> AvailabilityReport:
    """Return the last report about a placement."""
    row = (await connection.execute(_of(merchant_id, placement))).one_or_none()
    return NO_REPORT if row is None else AvailabilityReport(row[0], _decode(row[1]))


async def lock(connection: AsyncConnection, merchant_id: int, placement: str) -> AvailabilityReport:
    """Return the last report, and hold it until the transaction ends, also where there was none yet."""
    nothing = (merchant_id, placement, 0, _NOTHING)
    await insert_many(connection, availability, _COLUMNS, [nothing], on_conflict="nothing")
    version, document = (await connection.execute(_of(merchant_id, placement).with_for_update())).one()
    return AvailabilityReport(version, _decode(document))


def _of(merchant_id: int, placement: str) -> Select[Any]:
    c = availability.c
    return select(c.version, c.document).where(c.merchant_id == merchant_id, c.placement == placement)


async def put(connection: AsyncConnection, merchant_id: int, placement: str, report: AvailabilityReport) -> None:
    """Replace a report that is locked."""
    c = availability.c
    change = update(availability).where(c.merchant_id == merchant_id, c.placement == placement)
    document = msgspec.json.encode(report.document).decode()
    await connection.execute(change.values(version=report.version, document=document))


async def clear(connection: AsyncConnection, merchant_id: int, placement: str) -> None:
    """Empty the report about a placement that is deleted, so that none of its name begins with hidden candidates."""
    c = availability.c
    own = (c.merchant_id == merchant_id, c.placement == placement, c.document != _NOTHING)
    await connection.execute(update(availability).where(*own).values(version=c.version + 1, document=_NOTHING))


async def all_reported(connection: AsyncConnection) -> dict[tuple[int, str], Availability]:
    """Return the reports that name a candidate, by merchant and placement."""
    c = availability.c
    query = select(c.merchant_id, c.placement, c.document).where(c.document != _NOTHING)
    return {(merchant_id, placement): _decode(text) for merchant_id, placement, text in await connection.execute(query)}
