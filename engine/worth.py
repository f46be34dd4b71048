"""What a success of each candidate is worth to the merchant in this request: the margin after its fee, and boosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bounds import Bounds
from engine.plan import Plan

LARGEST_AMOUNT = 2**53


def worth(
    plan: Plan, values: Mapping[str, Any], bounds: Bounds, eligible: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """A factor by candidate in minor units (or in boosts alone), or None where nothing tells them apart."""
    boosts = bounds.boosts
    if plan.placement.reward == "margin":
        margins = (margin(plan, values, number) for number in eligible)
        return np.array([_boosted(m, boosts.get(n, 1.0)) for m, n in zip(margins, eligible, strict=True)])
    if boosts:
        return np.array([boosts.get(number, 1.0) for number in eligible])
    return None


def margin(plan: Plan, values: Mapping[str, Any], number: int) -> float:
    """What is left of the cart after its cost and this candidate's fee, in minor units."""
    total = values.get("cart.total")
    # An amount that no cart has, below nothing or beyond all arithmetic, would turn the order upside down.
    amount = total if type(total) is int and 0 <= total <= LARGEST_AMOUNT else plan.placement.typical_amount
    candidate = plan.candidates[number]
    fee = amount * candidate.fee_percent / 100 + candidate.fee_fixed
    return amount * plan.placement.margin_percent / 100 - fee


def _boosted(value: float, boost: float) -> float:
    """A boost must help a candidate that loses money too."""
    return value * boost if value >= 0 else value / boost
