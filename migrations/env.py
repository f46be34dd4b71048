"""Alembic's way into the database; the address comes from the caller."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from engine.store import tables  # noqa: F401  brings all tables into the metadata
from engine.store.tables.schema import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite"
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
