"""Marks that several files share."""

from __future__ import annotations

import pytest

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""Runs a long test on one database: others of its file run the same statements on both."""

SQLITE_FIRST = pytest.mark.parametrize(
    "database_kind", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.long])], indirect=True
)
"""Runs a slow test on SQLite with `make test`, and on PostgreSQL too with `make verify`."""
