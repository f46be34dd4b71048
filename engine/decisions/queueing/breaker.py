"""A circuit breaker: while nothing can be stored, decisions get the fallback order at once instead of after a second.

After Nygard, *Release It!* (2007). Nothing needs to probe whether the database is back: the recorder tries again all
the time, because fallback answers wait to be stored.
"""

from __future__ import annotations

from engine.decisions.queueing.fair_queue import Overloaded
from engine.faults import is_temporary

FAILURES = 3
"""Failures in a row that open the breaker."""


class Breaker:
    """Counts failures since something was last stored: attempts to commit, and decisions that waited too long."""

    def __init__(self) -> None:
        self._failures = 0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def succeed(self) -> None:
        self._failures = 0

    def fail(self) -> None:
        self._failures += 1


class BreakerOpen(Exception):
    """The latest decisions could not be stored, so this one does not wait for it."""


def fault_of(error: Exception) -> str:
    """Return why a decision falls back: `database_away`, `timeout`, `overloaded`, `database` or `other`."""
    if isinstance(error, BreakerOpen):
        return "database_away"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, Overloaded):
        return "overloaded"
    return "database" if is_temporary(error) else "other"
