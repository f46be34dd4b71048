"""The value of a success of each candidate in one request: the margin after its fee, times boosts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.bounds import Bounds
from engine.kernel.plan import Plan
from engine.model.placement import Candidate, Placement

Floats = NDArray[np.float64]
LARGEST_AMOUNT = 2**53


def boost_weights(plan: Plan, bounds: Bounds, eligible: tuple[int, ...]) -> Floats:
    """Return the weights (1, K) that rules give to scores, or (0, 0) if all eligible candidates weigh the same.

    If the goal is to minimise, weights are negative, so that the greatest product is still best; not for an order that
    the merchant fixed.
    """
    if not bounds.boosts and (plan.keeps_order or plan.placement.goal != "minimise"):
        return bandits.NO_WEIGHTS
    return _weights(plan, bounds, eligible, [1.0] * len(eligible))


def margin_weights(
    plan: Plan, values: Mapping[str, Any], bounds: Bounds, eligible: tuple[int, ...], amounts: Floats | None
) -> Floats:
    """Return boosts times the margin of a success in minor units, (1, K); `amounts` (K,) are expected in a success."""
    typical = [None] * len(eligible) if amounts is None else amounts.tolist()
    margins = [
        margin(plan.placement, plan.candidates[number], values, amount)
        for number, amount in zip(eligible, typical, strict=True)
    ]
    return _weights(plan, bounds, eligible, margins)


def _weights(plan: Plan, bounds: Bounds, eligible: tuple[int, ...], success_values: list[float]) -> Floats:
    pairs = zip(success_values, [bounds.boosts.get(number, 1.0) for number in eligible], strict=True)
    if plan.placement.goal == "minimise" and not plan.keeps_order:
        return np.array([[-_boosted(value, 1 / boost) for value, boost in pairs]], np.float64)
    return np.array([[_boosted(value, boost) for value, boost in pairs]], np.float64)


def margin(
    placement: Placement, candidate: Candidate, values: Mapping[str, Any], typical: float | None = None
) -> float:
    """Return what the merchant keeps of the cart, or of a `typical` one, after cost and fee, in minor units."""
    amount = cart_amount(values, placement.typical_amount if typical is None else typical)
    fee = amount * candidate.fee_percent / 100 + candidate.fee_fixed
    return amount * placement.margin_percent / 100 - fee


def cart_amount(values: Mapping[str, Any], typical: float) -> float:
    """Return the cart's total in minor units, or the `typical` one where it is not known."""
    total = values.get("cart.total")
    # A negative or enormous amount would reverse the order of candidates.
    return total if type(total) is int and 0 <= total <= LARGEST_AMOUNT else typical


def _boosted(value: float, boost: float) -> float:
    """Return the boosted value; a boost above 1 must also help a candidate that loses money."""
    return value * boost if value >= 0 else value / boost
