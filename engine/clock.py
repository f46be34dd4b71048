"""The clock. Pure modules get the time passed in instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def _system_time() -> int:
    return time.time_ns() // 1_000_000


_read = _system_time


def now_ms() -> int:
    """Return the time as epoch milliseconds."""
    return _read()


def is_simulated() -> bool:
    """Return whether `now_ms` follows a simulated clock, which says nothing about how long work takes."""
    return _read is not _system_time


@contextmanager
def simulated_time(read: Callable[[], int]) -> Iterator[None]:
    """Let `now_ms` return what `read` returns, in the whole process: for writing a past, never while serving."""
    global _read
    _read = read
    try:
        yield
    finally:
        _read = _system_time
