"""Marks that several files share."""

from __future__ import annotations

import pytest

SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""Runs a long test on one database: others of its file run the same statements on both."""
