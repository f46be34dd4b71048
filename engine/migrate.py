"""Bring a database to the newest schema."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from engine.store.connection.database import lock_at_begin

# Any number, but always this one: processes that start together must not migrate together.
ADVISORY_LOCK = 7_420_202
LONGEST_WAIT_SECONDS = 60


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
    """Run the migrations that are missing; returns the revision reached. Harmless to repeat."""
    engine = _open(url)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            return await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _open(url: str) -> AsyncEngine:
    if not url.startswith("sqlite"):
        return create_async_engine(url)
    engine = create_async_engine(url, connect_args={"timeout": LONGEST_WAIT_SECONDS})
    # Else each statement would stand for itself: one that breaks off would leave half a schema, and two would race.
    lock_at_begin(engine.sync_engine)
    return engine


def _upgrade(connection: Connection) -> str:
    newest = newest_revision()
    if MigrationContext.configure(connection).get_current_revision() != newest:
        command.upgrade(configuration(connection), "head")
    return newest
