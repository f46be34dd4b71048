"""What was fitted to the statistics of placements; the newest fit alone is kept."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.scope import Scope
from engine.statistics.evidence import Fit
from engine.store.connection.bulk import insert_many
from engine.store.tables import fits

COLUMNS = ("merchant_id", "placement", "reward", "document", "fitted_at")
_decode = msgspec.json.Decoder(Fit).decode


async def get(connection: AsyncConnection, scope: Scope) -> Fit | None:
    """Return the newest fit of a scope, or None."""
    merchant_id, placement, reward = scope
    query = select(fits.c.document).where(
        fits.c.merchant_id == merchant_id, fits.c.placement == placement, fits.c.reward == reward
    )
    document = (await connection.execute(query)).scalar()
    return _decode(document) if document else None


async def put(connection: AsyncConnection, scope: Scope, fit: Fit, *, now: int) -> None:
    row = (*scope, msgspec.json.encode(fit).decode(), now)
    await insert_many(connection, fits, COLUMNS, [row], on_conflict="replace")
