"""Which offers cannot be had now, and why: an input of a decision, logged with its facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from math import inf
from typing import NamedTuple

from engine.kernel.offers.quote import Cart, discount
from engine.kernel.plan import Plan
from engine.model.documents.offer import Offer, OfferBudget
from engine.model.offers.hold import TOTAL, Balance, BalanceKey, Cap, Hold
from engine.model.timestamps import DAY, to_ms


class Asking(NamedTuple):
    """Who asks for offers: `customer` is a keyed hash, empty for a guest; `currency` is the merchant's own."""

    merchant_id: int
    customer: str
    cart: Cart
    now: int
    currency: str | None


class BudgetState(NamedTuple):
    """The balances and caps of a moment, and the live holds that the customer already has, by offer."""

    balances: Mapping[BalanceKey, Balance]
    caps: Mapping[str, Cap]
    own_holds: Mapping[str, Hold]


def keys_of(plan: Plan, asking: Asking) -> list[BalanceKey]:
    """Return the balances that the plan's offers depend on."""
    return sorted(_key(budget, asking) for budget in plan.budgets.values())


def balances_of(plan: Plan, offer: Offer, asking: Asking) -> tuple[BalanceKey, ...]:
    """Return the balances that an offer is paid from."""
    budgets = (plan.budgets[id] for id in offer.budgets)
    return tuple(_key(budget, asking) for budget in budgets)


def unavailable(plan: Plan, asking: Asking, state: BudgetState) -> dict[str, str]:
    """Return the offers that cannot be had, each with its reason."""
    room = {id: _room(_key(budget, asking), asking, budget, state) for id, budget in plan.budgets.items()}
    currency = asking.cart.currency or asking.currency
    reasons = {}
    for id, offer in plan.offers.items():
        amount = discount(offer, asking.cart)
        if reason := window_reason(offer, asking.now):
            reasons[id] = reason
        elif currency not in (None, offer.currency):
            reasons[id] = f"is a discount in {offer.currency}"
        elif not amount:
            reasons[id] = "takes nothing off this cart"
        elif id in state.own_holds:
            # The customer's own hold pays for as much as it holds.
            reason = _own_reason(state.own_holds[id], amount, state)
            reasons |= {id: reason} if reason else {}
        else:
            for budget in offer.budgets:
                left, reason = room[budget]
                if left < amount:
                    reasons[id] = reason
                    break
    return reasons


def window_reason(offer: Offer, now: int) -> str:
    """Return why an offer cannot be shown at a time; empty where it can."""
    if offer.starts_at and now < _moment(offer.starts_at):
        return f"starts at {offer.starts_at}"
    return f"ended at {offer.ends_at}" if offer.ends_at and now >= _moment(offer.ends_at) else ""


def _room(key: BalanceKey, asking: Asking, budget: OfferBudget, state: BudgetState) -> tuple[float, str]:
    """Return the largest amount that one more use may take from a budget, below 0 if none, and the reason for less."""
    if budget.scope == "customer" and not asking.customer:
        return -1, f"budget “{budget.id}” needs a known customer"
    cap, balance = state.caps.get(key.budget), state.balances.get(key, Balance())
    if cap is None or not cap.leaves_room(balance, 0, 1):
        return -1, too_little(budget.id)
    left = inf if cap.amount is None else cap.amount - balance.held - balance.spent
    return left, too_little(budget.id)


def _own_reason(own: Hold, amount: int, state: BudgetState) -> str:
    more = amount - own.amount
    for key in own.balances if more > 0 else ():
        cap = state.caps.get(key.budget)
        if cap is None or not cap.leaves_room(state.balances.get(key, Balance()), more, 0):
            return too_little(key.budget)
    return ""


def too_little(budget: str) -> str:
    """Return the reason of an offer that a budget cannot pay for."""
    return f"budget “{budget}” has too little left"


def _key(budget: OfferBudget, asking: Asking) -> BalanceKey:
    period = asking.now // DAY if budget.period == "day" else TOTAL
    return BalanceKey(asking.merchant_id, budget.id, period, asking.customer if budget.scope == "customer" else "")


@lru_cache(maxsize=1024)
def _moment(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))
