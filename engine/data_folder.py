"""Prepare the data folder, which only its owner may read, and say where the database and its replica are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import bandits
from engine.settings import Settings
from engine.store.connection.database import SQLITE_FILE, Database, open_database, sqlite_url


def database_url(settings: Settings) -> str:
    """Return the SQLAlchemy URL of the database."""
    return _with_driver(settings.database_url) or sqlite_url(settings.data)


def log_url(settings: Settings) -> str:
    """Return the SQLAlchemy URL for long reads of the log: of the read replica, or of the database without one."""
    return _with_driver(settings.replica_url) or database_url(settings)


@asynccontextmanager
async def log_reader(settings: Settings, database: Database) -> AsyncIterator[Database]:
    """Yield the database for long reads of the log: the read replica, or `database` without one."""
    if not settings.replica_url:
        yield database
        return
    replica = open_database(log_url(settings))
    replica.name_customers(database.names)
    try:
        yield replica
    finally:
        await replica.close()


def _with_driver(url: str) -> str:
    """Map the forms that hosting providers use to the driver's."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+asyncpg{separator}{rest}" if scheme in ("postgresql", "postgres") else url


def has_database(settings: Settings) -> bool:
    """Return whether there is a database; that on a server is taken to be there."""
    return bool(settings.database_url) or Path(settings.data, SQLITE_FILE).exists()


def prepare_folder(settings: Settings) -> None:
    """Create the data folder, and let only the owner read the database in it, also in an existing folder."""
    os.makedirs(settings.data, mode=0o700, exist_ok=True)
    if not settings.database_url:
        # SQLite gives its other files the mode of the database.
        Path(settings.data, SQLITE_FILE).touch(mode=0o600)
    for name in (SQLITE_FILE, f"{SQLITE_FILE}-wal", f"{SQLITE_FILE}-shm", "customer.key", "master.key"):
        path = Path(settings.data, name)
        if path.exists() and path.stat().st_mode & 0o077 and path.stat().st_uid == os.geteuid():
            path.chmod(0o600)


def prepare_cache(settings: Settings) -> None:
    """Keep compiled code in the data folder if the package's folder is read-only. Child processes find it there."""
    if not os.access(Path(bandits.__file__).parent, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(settings.data, "compiled").resolve()))
