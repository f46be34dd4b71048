"""Move the shares of an experiment's variants by what its units bought, once an hour."""

from __future__ import annotations

from engine.experiments.adaptive.comparison import MovedTraffic, next_shares
from engine.experiments.looks.schedule import last_hour
from engine.kernel.experiments.shares import HourlyShares
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.model.timestamps import HOUR, MINUTE
from engine.store import resources
from engine.store.connection.database import Database
from engine.store.experiments import shares, sums
from engine.store.experiments.sums import PhaseKey

AHEAD = MINUTE
"""Shares are decided so long before their hour begins, so that all processes know them by then."""


async def read_shares(database: Database, key: PhaseKey, experiment: Experiment) -> HourlyShares:
    """Return the shares of a phase hour by hour."""
    async with database.read() as connection:
        return HourlyShares(experiment, await shares.of_phase(connection, key))


async def move_shares(database: Database, merchant_id: int, resource: Resource, now: int) -> bool:
    """Decide the shares of the next hour by the units whose outcomes are in; return whether they are stored now."""
    experiment: Experiment = resource.document
    following = now // HOUR + 1
    if following * HOUR - now < AHEAD:
        return False
    key = PhaseKey(merchant_id, resource.placement, resource.id, experiment.status.phase)
    async with database.read() as connection:
        if following in await shares.of_phase(connection, key):
            return False
        setup = await resources.get(connection, merchant_id, "placement", "", resource.placement)
        rows = await sums.by_hour(connection, key)
    traffic = MovedTraffic(experiment, rows, await read_shares(database, key, experiment))
    moved = next_shares(traffic.until(last_hour(experiment, setup.document.window_minutes, now)))
    if moved is None:
        return False
    async with database.write() as connection:
        return await shares.put(connection, key, following, moved)
