"""Marks that several files share."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""Runs a long test on one database: others of its file run the same statements on both."""

SQLITE_FIRST = pytest.mark.parametrize(
    "database_kind", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.long])], indirect=True
)
"""Runs a slow test on SQLite with `make test`, and on PostgreSQL too with `make verify`."""

CHANGES_NOTHING = pytest.mark.changes_nothing
"""Gives a test of `tests/web` a merchant that it shares with others: what it sends is refused, or only asks."""


def first_values(values: Iterable[object], count: int) -> list[pytest.ParameterSet]:
    """Return values to repeat a test with: the first `most` with `make test`, all with `make verify`."""
    return [
        pytest.param(value, marks=[pytest.mark.long] if number >= count else []) for number, value in enumerate(values)
    ]
