"""Which offers cannot be had now, and why: an input of a decision, logged with its facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from typing import NamedTuple

import numpy as np

from engine.kernel.offers.offer_table import UNLIMITED, Integers, Texts, window_of
from engine.kernel.offers.quote import Cart
from engine.kernel.plan import Plan
from engine.model.documents.offer import Offer, OfferBudget
from engine.model.offers.hold import Balance, BalanceKey, Hold, leaves_room
from engine.model.timestamps import DAY

NOTHING_OFF = "takes nothing off this cart"
UNUSED = Balance()
CODES_USED_UP = "codes used up"
NEEDS_CUSTOMER = "needs a known customer"
OPTED_OUT = "the customer opted out of personalization"
OWN_CODE_USED = "this customer has used the code"
OWN_CODE_TAKEN = "this customer's code is held or used"


class OfferContext(NamedTuple):
    """The caller of an offer request: `customer` is a keyed hash, empty for a guest; `currency` the merchant's own."""

    merchant_id: int
    customer: str
    cart: Cart
    now: int
    currency: str | None


class BudgetState(NamedTuple):
    """The balances of a moment, and the live holds that the customer already has, by offer.

    Balances may be out of date when the answer is stored: the conditional update of the hold is what keeps the caps.
    """

    balances: Mapping[BalanceKey, Balance]
    own_holds: Mapping[str, Hold]


def keys_of(plan: Plan, context: OfferContext) -> Mapping[str, BalanceKey]:
    """Return the balances that the plan's offers depend on, by budget."""
    return plan.offer_table.keys(context.merchant_id, context.customer, context.now // DAY)


def balances_of(plan: Plan, offer: Offer, context: OfferContext) -> tuple[BalanceKey, ...]:
    """Return the balances that an offer is paid from."""
    keys = keys_of(plan, context)
    return tuple([keys[id] for id in offer.budgets])


def unavailable(plan: Plan, context: OfferContext, state: BudgetState) -> dict[str, str]:
    """Return the offers that cannot be had, each with its reason, in the plan's order."""
    table = plan.offer_table
    amounts = table.amounts(context.cart)
    # The first reason counts, so the last is filled in first.
    reasons = _budget_reasons(plan, context, state, amounts)
    for id, hold in state.own_holds.items():
        if (number := table.index.get(id)) is not None:
            # The customer's own hold pays for as much as it holds.
            reasons[number] = _own_reason(plan, hold, int(amounts[number]), state)
    reasons[amounts == 0] = NOTHING_OFF
    if (other := table.is_in_other_currency(context.cart.currency or context.currency)) is not None:
        np.copyto(reasons, table.currency_reasons, where=other)
    rows, window_reasons = table.window_reasons(context.now)
    np.copyto(reasons, window_reasons, where=rows)
    return dict(compress(zip(table.ids, texts := reasons.tolist(), strict=True), texts))


def _budget_reasons(plan: Plan, context: OfferContext, state: BudgetState, amounts: Integers) -> Texts:
    """Return the reason of the first budget that cannot pay for each offer (N,); empty where all can."""
    reasons = np.full(len(amounts), "", object)
    keys = keys_of(plan, context)
    rooms = [_room(keys[id], context, budget, state) for id, budget in plan.budgets.items()]
    if min(rooms, default=UNLIMITED) >= plan.offer_table.most:
        return reasons
    texts = [_refusal(budget, context) for budget in plan.budgets.values()]
    left, names = np.array([*rooms, UNLIMITED], np.int64), np.array([*texts, ""], object)
    # From an offer's last budget to its first, whose reason counts.
    for positions in plan.offer_table.budgets.T[::-1]:
        np.copyto(reasons, names[positions], where=left[positions] < amounts)
    return reasons


def window_reason(offer: Offer, now: int) -> str:
    """Return why an offer cannot be shown at a time; empty where it can."""
    starts, ends = window_of(offer)
    if now < starts:
        return f"starts at {offer.starts_at}"
    return f"ended at {offer.ends_at}" if now >= ends else ""


def _room(key: BalanceKey, context: OfferContext, budget: OfferBudget, state: BudgetState) -> int:
    """Return the largest amount that one more use may take from a budget, below 0 if none."""
    if budget.scope == "customer" and not context.customer:
        return -1
    balance = state.balances.get(key, UNUSED)
    if budget.uses is not None and balance.spent_uses + balance.held_uses >= budget.uses:
        return -1
    return UNLIMITED if budget.amount is None else budget.amount - balance.held - balance.spent


def _refusal(budget: OfferBudget, context: OfferContext) -> str:
    if budget.scope == "customer" and not context.customer:
        return f"budget “{budget.id}” needs a known customer"
    return too_little(budget.id)


def _own_reason(plan: Plan, own: Hold, amount: int, state: BudgetState) -> str:
    more = amount - own.amount
    for key in own.balances if more > 0 else ():
        budget = plan.budgets.get(key.budget)
        if budget is None or not leaves_room(budget, state.balances.get(key, UNUSED), more, 0):
            return too_little(key.budget)
    return ""


def cooling_down(until: str) -> str:
    """Return the reason of an offer that a customer redeemed a short time ago."""
    return f"this customer has used it; again from {until}"


def too_little(budget: str) -> str:
    """Return the reason of an offer that a budget cannot pay for."""
    return f"budget “{budget}” has too little left"
