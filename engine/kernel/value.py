"""What a success of each candidate is worth to the merchant in this request: the margin after its fee, and boosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernel.bounds import Bounds
from engine.kernel.plan import Plan

Floats = NDArray[np.float64]
LARGEST_AMOUNT = 2**53


def worth(
    plan: Plan, values: Mapping[str, Any], bounds: Bounds, eligible: tuple[int, ...], amounts: Floats | None = None
) -> Floats | None:
    """A factor by candidate in minor units (or in boosts alone), or None where nothing tells them apart.

    `amounts` (K,) is what a success of each eligible candidate is expected to bring in. Where less is better, every
    factor is negative: the best of the products is always the greatest.
    """
    boosts = [bounds.boosts.get(number, 1.0) for number in eligible] if bounds.boosts else [1.0] * len(eligible)
    less_is_better = plan.placement.goal == "minimise"
    if plan.placement.reward == "margin":
        typical = [None] * len(eligible) if amounts is None else amounts.tolist()
        value = [margin(plan, values, number, one) for number, one in zip(eligible, typical, strict=True)]
    elif bounds.boosts or less_is_better:
        value = [1.0] * len(eligible)
    else:
        return None
    if less_is_better:
        return np.array([-_boosted(one, 1 / boost) for one, boost in zip(value, boosts, strict=True)])
    return np.array([_boosted(one, boost) for one, boost in zip(value, boosts, strict=True)])


def margin(plan: Plan, values: Mapping[str, Any], number: int, typical: float | None = None) -> float:
    """What is left of the cart, or else of a `typical` one, after its cost and the fee, in minor units."""
    typical = plan.placement.typical_amount if typical is None else typical
    total = values.get("cart.total")
    # An amount that no cart has, below nothing or beyond all arithmetic, would turn the order upside down.
    amount = total if type(total) is int and 0 <= total <= LARGEST_AMOUNT else typical
    candidate = plan.candidates[number]
    fee = amount * candidate.fee_percent / 100 + candidate.fee_fixed
    return amount * plan.placement.margin_percent / 100 - fee


def _boosted(value: float, boost: float) -> float:
    """A boost must help a candidate that loses money too."""
    return value * boost if value >= 0 else value / boost
