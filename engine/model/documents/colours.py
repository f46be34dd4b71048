"""The colours of candidates: each has a number from 0 in its placement, for good. Pure."""

from __future__ import annotations

from collections.abc import Mapping

Colours = dict[str, dict[str, int]]
"""Numbers by placement and candidate."""


def next_number(numbers: Mapping[str, int]) -> int:
    """Return the first number that no candidate of a placement has, or ever had."""
    return max(numbers.values(), default=-1) + 1
