"""Which offers cannot be had now, and why: an input of a decision, logged with its facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
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
    return sorted({key for offer in plan.offers.values() for key in balances_of(plan, offer, asking)})


def balances_of(plan: Plan, offer: Offer, asking: Asking) -> tuple[BalanceKey, ...]:
    """Return the balances that an offer is paid from."""
    budgets = (plan.budgets[id] for id in offer.budgets)
    return tuple(_key(budget, asking) for budget in budgets)


def unavailable(plan: Plan, asking: Asking, state: BudgetState) -> dict[str, str]:
    """Return the offers that cannot be had, each with its reason."""
    reasons = ((id, _reason(plan, id, offer, asking, state)) for id, offer in plan.offers.items())
    return {id: reason for id, reason in reasons if reason}


def window_reason(offer: Offer, now: int) -> str:
    """Return why an offer cannot be shown at a time; empty where it can."""
    if offer.starts_at and now < _moment(offer.starts_at):
        return f"starts at {offer.starts_at}"
    return f"ended at {offer.ends_at}" if offer.ends_at and now >= _moment(offer.ends_at) else ""


def currency_reason(offer: Offer, asking: Asking) -> str:
    """Return that an offer is in another currency than the cart; empty where it is not."""
    currency = asking.cart.currency or asking.currency
    return "" if currency in (None, offer.currency) else f"is a discount in {offer.currency}"


def _reason(plan: Plan, id: str, offer: Offer, asking: Asking, state: BudgetState) -> str:
    reason = window_reason(offer, asking.now) or currency_reason(offer, asking)
    amount = discount(offer, asking.cart)
    if reason or not amount:
        return reason or "takes nothing off this cart"
    own = state.own_holds.get(id)
    if own is not None:
        # The customer's own hold pays for as much as it holds.
        more = amount - own.amount
        return _budget_reason(own.balances, state, more, 0) if more > 0 else ""
    for budget in offer.budgets:
        if plan.budgets[budget].scope == "customer" and not asking.customer:
            return f"budget “{budget}” needs a known customer"
    return _budget_reason(balances_of(plan, offer, asking), state, amount, 1)


def _budget_reason(keys: Sequence[BalanceKey], state: BudgetState, amount: int, uses: int) -> str:
    for key in keys:
        cap = state.caps.get(key.budget)
        if cap is None or not cap.leaves_room(state.balances.get(key, Balance()), amount, uses):
            return too_little(key.budget)
    return ""


def too_little(budget: str) -> str:
    """Return the reason of an offer that a budget cannot pay for."""
    return f"budget “{budget}” has too little left"


def _key(budget: OfferBudget, asking: Asking) -> BalanceKey:
    period = asking.now // DAY if budget.period == "day" else TOTAL
    return BalanceKey(asking.merchant_id, budget.id, period, asking.customer if budget.scope == "customer" else "")


def _moment(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))
