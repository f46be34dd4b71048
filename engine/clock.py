"""Time as the engine keeps it: epoch milliseconds, epoch days, and RFC 3339 in UTC for people and JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime

DAY = 86_400_000
MINUTE = 60_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def rfc3339(ms: int) -> str:
    """`2026-11-21T09:30:00.123Z`."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
