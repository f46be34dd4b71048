"""The state of an installation as its database knows it: size, growth, backlogs, beliefs. Nothing is changed."""

from __future__ import annotations

from importlib.metadata import version

import msgspec

from engine.clock import now_ms
from engine.leadership import LEASE_SECONDS, NAME
from engine.migrate import newest_revision
from engine.model.timestamps import HOUR
from engine.store.connection import leases
from engine.store.connection.database import Database
from engine.store.metrics import backlogs

HOURS_A_DAY = 24
DAYS = 7
"""Traffic and growth are means of so many days."""


class Installation(msgspec.Struct, frozen=True):
    """The database and its traffic; `bytes_a_day` and `leader_seen_seconds` are None where nothing says so."""

    version: str
    database: str
    schema: str
    bytes: int
    bytes_a_day: int | None
    decisions_last_day: int
    decisions_a_day: int
    leader_seen_seconds: float | None


class PlacementBeliefs(msgspec.Struct, frozen=True):
    """The newest beliefs of a placement, and their age."""

    merchant: str
    side: str
    placement: str
    beliefs_version: int
    seconds_old: int


class DatabaseStatus(msgspec.Struct, frozen=True):
    installation: Installation
    backlogs: dict[str, int]
    beliefs: list[PlacementBeliefs]


async def read(database: Database) -> DatabaseStatus:
    """Return what the database knows; counting takes seconds where hundreds of millions of decisions are kept."""
    now = now_ms()
    async with database.read() as connection:
        today, week, all_hours = [
            await backlogs.decisions_since(connection, first)
            for first in (now // HOUR - HOURS_A_DAY, now // HOUR - DAYS * HOURS_A_DAY, 0)
        ]
        size = await backlogs.database_bytes(connection)
        left = await leases.milliseconds_left(connection, NAME)
        newest = await backlogs.newest_beliefs(connection)
        counted = await backlogs.backlogs(connection)
    installation = Installation(
        version=version("tap2-personalize-server"),
        database="SQLite" if database.is_sqlite else "PostgreSQL",
        schema=newest_revision(),
        bytes=size,
        # The log is nearly all of a database that grows, so its size for each decision is a fair estimate.
        bytes_a_day=round(size / all_hours * week / DAYS) if all_hours else None,
        decisions_last_day=today,
        decisions_a_day=round(week / DAYS),
        leader_seen_seconds=None if left is None else max(0.0, LEASE_SECONDS - left / 1000),
    )
    ages = [
        PlacementBeliefs(each.merchant, each.mode, each.placement, each.version, max(0, now - each.made_at) // 1000)
        for each in newest
    ]
    return DatabaseStatus(installation, counted, ages)
