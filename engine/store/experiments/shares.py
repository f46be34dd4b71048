"""The shares of variants that a bandit moved, and the units that have their variant already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.experiments.exposures import UnitKey
from engine.store.experiments.sums import PhaseKey
from engine.store.tables import experiment_exposures, experiment_shares
from engine.store.tables.experiments import UNIT_KEY

COLUMNS = ("merchant_id", "placement", "experiment", "phase", "hour", "shares")
_decode = msgspec.json.Decoder(dict[str, float]).decode


async def put(connection: AsyncConnection, key: PhaseKey, hour: int, shares: Mapping[str, float]) -> bool:
    """Store the shares by variant from an hour on; return False, and change nothing, where there are some already."""
    row = (*key, hour, msgspec.json.encode(shares).decode())
    new = await insert_many(
        connection, experiment_shares, COLUMNS, [row], on_conflict="nothing", returning="experiment"
    )
    return bool(new)


async def of_phase(connection: AsyncConnection, key: PhaseKey) -> dict[int, dict[str, float]]:
    """Return the shares of a phase by the epoch hour from which on they hold."""
    c = experiment_shares.c
    query = select(c.hour, c.shares).where(*(c[name] == value for name, value in key._asdict().items()))
    return {hour: _decode(shares) for hour, shares in await connection.execute(query)}


async def variants_of(connection: AsyncConnection, keys: Sequence[UnitKey]) -> dict[UnitKey, str]:
    """Return the variants that units were exposed to first; units without an exposure are left out."""
    variants = {}
    for key in keys:
        c = experiment_exposures.c
        query = select(c.variant).where(*(c[name] == value for name, value in zip(UNIT_KEY, key, strict=True)))
        first = (await connection.execute(query)).scalar_one_or_none()
        if first is not None:
            variants[key] = first
    return variants
