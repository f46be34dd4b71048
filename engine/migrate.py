"""Bring a database to the newest schema, or leave it alone if a newer version did that already.

Versions share a database while machines are upgraded in turn: migrations only add, until no version that needs what
they would remove can run (expand and contract).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from engine.clock import now_ms
from engine.model.errors import EngineError
from engine.store.connection.database import lock_at_begin
from engine.store.connection.one_trip import ONE_TRIP
from engine.store.log import partition_upkeep
from engine.store.tables.installation import schema_readers

# Any number, but always this one: processes that start together must not migrate together.
ADVISORY_LOCK = 7_420_202
LONGEST_WAIT_SECONDS = 60
OLDEST_READER = "0047"
"""The oldest revision whose code runs on the newest schema. Raise it with a migration that removes or renames."""


class SchemaTooNew(EngineError):
    """A newer version has changed the database so that this version cannot use it."""


def configuration(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.attributes["connection"] = connection
    return config


@cache
def newest_revision() -> str:
    """Return the revision that this version needs."""
    return ScriptDirectory.from_config(configuration()).get_current_head() or ""


async def upgrade(url: str) -> str:
    """Run the migrations that are missing; return the revision. Harmless to repeat.

    Raise `SchemaTooNew` for a database that only newer versions can use.
    """
    engine = _open(url)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            revision = await connection.run_sync(_upgrade)
        if engine.dialect.name == "postgresql":
            await partition_upkeep.prepare(engine.begin, now=now_ms(), most_bytes=partition_upkeep.FAST_BYTES)
        return revision
    finally:
        await engine.dispose()


def _open(url: str) -> AsyncEngine:
    if not url.startswith("sqlite"):
        return create_async_engine(url)
    engine = create_async_engine(url, connect_args={"timeout": LONGEST_WAIT_SECONDS, **ONE_TRIP})
    # Else each statement would stand for itself: one that breaks off would leave half a schema, and two would race.
    lock_at_begin(engine.sync_engine)
    return engine


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database; None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def runs_here(connection: Connection) -> bool:
    """Return whether a database that a newer version has upgraded can still be used by this version."""
    oldest = connection.execute(select(schema_readers.c.oldest)).scalar()
    return oldest is not None and oldest <= newest_revision()


def _upgrade(connection: Connection) -> str:
    current, newest = current_revision(connection), newest_revision()
    if current is not None and current > newest:
        if not runs_here(connection):
            raise SchemaTooNew(
                f"the schema of the database is {current}, and this version knows {newest}: install the version of "
                "Tap2 that the database was last used with, or a newer one"
            )
        return current
    if current != newest:
        command.upgrade(configuration(connection), "head")
        connection.execute(delete(schema_readers))
        connection.execute(insert(schema_readers).values(oldest=OLDEST_READER))
    return newest
