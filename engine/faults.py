"""Tell faults of the database that pass (away, locked, full) from defects."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

TEMPORARY_STATES = ("08", "25006", "40", "53", "55P03", "57", "58")
"""SQLSTATE classes and codes (PostgreSQL manual, appendix A): connection exception, read-only transaction, transaction
rollback (deadlock, serialization failure), insufficient resources, lock not available, operator intervention (stopping,
starting), system error."""
SQLITE_DEFECTS = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE})
"""Operational errors of SQLite that stay: a missing table, a wrong statement."""


def is_temporary(error: BaseException) -> bool:
    """Return whether the database is at fault (away, locked, full), so that the same work may succeed later."""
    driver_error: Any = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(driver_error, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(TEMPORARY_STATES)
    if getattr(driver_error, "sqlite_errorcode", None) in SQLITE_DEFECTS:
        return False
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or type(error).__name__ in ("OperationalError", "InterfaceError")
    return isinstance(error, PoolTimeout | OSError | sqlite3.OperationalError)
