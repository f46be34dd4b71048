"""From amounts and numbers to features: scales of ratios, fixed for good, so that weights keep their meaning. Pure."""

from __future__ import annotations

import math

TYPICAL_AMOUNT = 5_000
"""The amount in minor units whose feature is 0; one that is e**2 = 7.4 times as high has 1."""
LARGEST = 2.0**53


def amount_feature(minor: object) -> float:
    """An amount on a scale of ratios."""
    if type(minor) is not int or not 0 <= minor <= LARGEST:
        return 0.0
    return (math.log1p(minor / 100) - math.log1p(TYPICAL_AMOUNT / 100)) / 2


def number_feature(number: object) -> float:
    """A number on a scale of ratios that knows signs."""
    if type(number) not in (int, float) or not abs(number) <= LARGEST:  # type: ignore[arg-type]
        return 0.0
    return math.copysign(math.log1p(abs(number)), number) / 2  # type: ignore[arg-type]
