"""How much several offers may take off one order together. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.kernel.plan import PlanDocument
from engine.model.errors import Conflict
from engine.model.offers.hold import Hold


def limited(amount: int, plan: PlanDocument, hold: Hold, cart_total: int, others: Sequence[Hold]) -> int:
    """Return what of a discount the order has room for beside `others`, redeemed on it before.

    All discounts together stay at or below the cart's total, where it is known. They stay at or below the placement's
    limit on orders in the merchant's own currency. Raise `Conflict` where nothing is left.
    """
    before = sum(other.spent - other.returned for other in others if other.currency == hold.currency)
    room = cart_total - before if others and cart_total else amount
    most = plan.placement.order_limits.most_off
    if most is not None and hold.currency == (plan.currency or hold.currency):
        room = min(room, most - before)
    if amount and room <= 0:
        raise Conflict("the order has the most discount that it may have", field="order_id")
    return max(0, min(amount, room))
