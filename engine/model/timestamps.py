"""Timestamps: epoch milliseconds, epoch days, and RFC 3339 in UTC for people and JSON. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from rules.language.values import read_datetime

DAY = 86_400_000
HOUR = 3_600_000
MINUTE = 60_000
CLOCK_SKEW = 5 * MINUTE
"""By how much the clock of a shop may be ahead."""


def rfc3339(ms: int) -> str:
    """Return epoch milliseconds as `2026-11-21T09:30:00.123Z`."""
    second, rest = divmod(ms, 1000)
    return f"{_second(second)}.{rest:03d}Z"


@lru_cache(maxsize=256)
def _second(epoch: int) -> str:
    # Thousands of decisions share a second, and formatting it costs more than the rest of the timestamp.
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%S}"


def to_ms(moment: datetime) -> int:
    """Return an aware datetime as epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def ms_of(text: str) -> int | None:
    """Return an RFC 3339 moment as epoch milliseconds; None for one in no calendar, such as 30 February."""
    moment = read_datetime(text)
    return None if moment is None else to_ms(moment)


def first_id_of(now: int) -> str:
    """Return an id that is not greater than that of any decision from that millisecond on."""
    return f"dec_{now:012x}"


def moment_of(decision_id: str) -> int:
    """Return the epoch millisecond that a decision's id begins with."""
    return int(decision_id[4:16], 16)
