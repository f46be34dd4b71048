"""A circuit breaker: while nothing can be stored, decisions get the fallback order at once instead of after a second.

After Nygard, *Release It!* (2007). Nothing needs to probe whether the database is back: the recorder tries again all
the time, because fallback answers wait to be stored.
"""

from __future__ import annotations

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
