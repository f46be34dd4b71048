"""Logarithmic scales that turn amounts and numbers into features. They never change: weights depend on them. Pure."""

from __future__ import annotations

import math

TYPICAL_AMOUNT = 5_000
"""The amount in minor units whose feature is 0. An amount e**2 = 7.4 times as high has the feature 1."""
LARGEST = 2.0**53


def amount_feature(minor: object) -> float:
    """Return the feature of an amount in minor units; 0 if it is not a valid amount."""
    if type(minor) is not int or not 0 <= minor <= LARGEST:
        return 0.0
    return (math.log1p(minor / 100) - math.log1p(TYPICAL_AMOUNT / 100)) / 2


def number_feature(number: object) -> float:
    """Return the feature of a number, with its sign; 0 if it is not a number."""
    if type(number) not in (int, float) or not abs(number) <= LARGEST:  # type: ignore[arg-type]
        return 0.0
    return math.copysign(math.log1p(abs(number)), number) / 2  # type: ignore[arg-type]
