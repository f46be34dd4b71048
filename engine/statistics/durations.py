"""Durations counted by size: bins of an eighth of a doubling, so that a quantile is exact to 9%. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

BINS_A_DOUBLING = 8
SLOWEST = 0.05

DurationCounts = Mapping[int, int]
"""Counts by bin."""


def bin_of(milliseconds: int) -> int:
    """Return the bin of a duration."""
    return int(BINS_A_DOUBLING * math.log2(milliseconds + 1)) if milliseconds > 0 else 0


def upper_end(number: int) -> float:
    """Return the duration below which all of a bin lie, in milliseconds."""
    return float(2 ** ((number + 1) / BINS_A_DOUBLING)) - 1


def p95_of(counts: DurationCounts) -> float:
    """Return the duration that 19 of 20 stayed within, in milliseconds; 0 for no counts."""
    slower = SLOWEST * sum(counts.values())
    for number in sorted(counts, reverse=True):
        slower -= counts[number]
        if slower < 0:
            return upper_end(number)
    return 0.0
