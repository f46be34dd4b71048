"""Which offers cannot be had now, and why: an input of a decision, logged with its facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.kernel.offers.offer_table import UNLIMITED, Integers, Texts, window_of
from engine.kernel.offers.quote import Cart
from engine.kernel.plan import Plan
from engine.model.documents.offer import Offer, OfferBudget
from engine.model.offers.hold import TOTAL, Balance, BalanceKey, Cap, Hold
from engine.model.timestamps import DAY


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
    """Return the offers that cannot be had, each with its reason, in the plan's order."""
    table = plan.offer_table
    amounts = table.amounts(asking.cart)
    # The first reason counts, so the last is filled in first.
    reasons = _budget_reasons(plan, asking, state, amounts)
    for id, hold in state.own_holds.items():
        if (number := table.index.get(id)) is not None:
            # The customer's own hold pays for as much as it holds.
            reasons[number] = _own_reason(hold, int(amounts[number]), state)
    reasons[amounts == 0] = "takes nothing off this cart"
    other = table.is_in_other_currency(asking.cart.currency or asking.currency)
    for rows, texts in ((other, table.currency_reasons), *table.window_reasons(asking.now)):
        np.copyto(reasons, texts, where=rows)
    return {id: reason for id, reason in zip(table.ids, reasons.tolist(), strict=True) if reason}


def _budget_reasons(plan: Plan, asking: Asking, state: BudgetState, amounts: Integers) -> Texts:
    """Return the reason of the first budget that cannot pay for each offer (N,); empty where all can."""
    rooms = [_room(_key(budget, asking), asking, budget, state) for budget in plan.budgets.values()]
    left = np.array([room for room, _ in rooms] + [UNLIMITED], np.int64)
    texts = np.array([text for _, text in rooms] + [""], object)
    budgets = plan.offer_table.budgets
    reasons = np.full(len(amounts), "", object)
    # From an offer's last budget to its first, whose reason counts.
    for positions in budgets.T[::-1]:
        np.copyto(reasons, texts[positions], where=left[positions] < amounts)
    return reasons


def window_reason(offer: Offer, now: int) -> str:
    """Return why an offer cannot be shown at a time; empty where it can."""
    starts, ends = window_of(offer)
    if now < starts:
        return f"starts at {offer.starts_at}"
    return f"ended at {offer.ends_at}" if now >= ends else ""


def _room(key: BalanceKey, asking: Asking, budget: OfferBudget, state: BudgetState) -> tuple[int, str]:
    """Return the largest amount that one more use may take from a budget, below 0 if none, and the reason for less."""
    if budget.scope == "customer" and not asking.customer:
        return -1, f"budget “{budget.id}” needs a known customer"
    cap, balance = state.caps.get(key.budget), state.balances.get(key, Balance())
    if cap is None or not cap.leaves_room(balance, 0, 1):
        return -1, too_little(budget.id)
    left = UNLIMITED if cap.amount is None else cap.amount - balance.held - balance.spent
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
