"""The clock. Pure modules get the time passed in instead."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the time as epoch milliseconds."""
    return time.time_ns() // 1_000_000
