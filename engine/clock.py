"""Time as the engine keeps it: epoch milliseconds, epoch days, and RFC 3339 in UTC for people and JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

DAY = 86_400_000
MINUTE = 60_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def rfc3339(ms: int) -> str:
    """`2026-11-21T09:30:00.123Z`."""
    second, rest = divmod(ms, 1000)
    return f"{_second(second)}.{rest:03d}Z"


@lru_cache(maxsize=256)
def _second(epoch: int) -> str:
    """Thousands of decisions share a second, and writing it takes longer than anything else about the time."""
    return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%S}"


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
