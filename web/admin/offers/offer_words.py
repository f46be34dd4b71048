"""Offers and budgets in words."""

from __future__ import annotations

from collections.abc import Set

from engine.kernel.offers.availability import window_reason
from engine.model.documents.offer import FixedAmount, FreeShipping, Offer, OfferBudget, Percentage
from engine.model.placement import Candidate
from engine.model.timestamps import ms_of
from engine.offers.budgets import BudgetBalance
from web.admin.shell.forms import number_text
from web.format import NOTHING, Show

HALF_SPENT, NEARLY_SPENT = 0.5, 0.8
KINDS = {
    "hold": "Held",
    "commit": "Redeemed",
    "release": "Released",
    "refund": "Refunded",
}
"""What each kind of entry says to a merchant."""


def takes_off(offer: Offer, show: Show) -> str:
    """Return what an offer takes off, such as “10% off, at most €20.00”."""
    match offer.benefit:
        case Percentage(percent, maximum):
            return f"{number_text(percent)}% off, at most {show.money(maximum, offer.currency)}"
        case FixedAmount(amount):
            return f"{show.money(amount, offer.currency)} off"
        case FreeShipping(maximum):
            return f"Free shipping, at most {show.money(maximum, offer.currency)}"


def state_of(candidate: Candidate, offer: Offer, now: int, used_up: Set[str]) -> tuple[str, str]:
    """Return the state of an offer and the kind of its badge; `used_up` are the budgets with nothing left."""
    if not candidate.enabled:
        return "Paused", "warn"
    reason = window_reason(offer, now)
    if reason.startswith("ended"):
        return "Ended", "plain"
    if reason:
        return "Scheduled", "info"
    return ("Used up", "bad") if not used_up.isdisjoint(offer.budgets) else ("Shown", "good")


def cap_text(budget: OfferBudget, show: Show) -> str:
    """Return the caps of a budget, such as “€500.00 a day for each customer”."""
    parts = []
    if budget.amount is not None:
        parts.append(show.money(budget.amount, budget.currency))
    if budget.uses is not None:
        parts.append(show.count(budget.uses, "use"))
    text = " and ".join(parts)
    text += " a day" if budget.period == "day" else ""
    return text + (" for each customer" if budget.scope == "customer" else "")


def amount_text(budget: OfferBudget, show: Show, amount: int, uses: int) -> str:
    """Return what of a budget is spent or held, such as “€22.50 in 5 uses”; uses only where they are limited."""
    text = show.money(amount, budget.currency)
    return text if budget.uses is None else f"{text} in {show.count(uses, 'use')}"


def paced_text(budget: OfferBudget, show: Show) -> str:
    """Return over which time a budget is spread, such as “Nov 1, 2026 to Nov 30, 2026”; empty without pacing."""
    if budget.pacing is None:
        return ""
    return f"{show.day(ms_of(budget.pacing.starts_at))} to {show.day(ms_of(budget.pacing.ends_at))}"


def left_text(row: BudgetBalance, show: Show) -> str:
    """Return what a budget has left under each of its caps; a dash where customers have their own."""
    budget, balance = row.budget, row.balance
    if budget.scope == "customer":
        return NOTHING
    parts = [] if row.left is None else [show.money(row.left, budget.currency)]
    if budget.uses is not None:
        parts.append(show.count(max(0, budget.uses - balance.spent_uses - balance.held_uses), "use"))
    return " and ".join(parts)


def is_used_up(row: BudgetBalance) -> bool:
    """Return whether nothing can be held for a budget any more, whoever the customer is."""
    return share_of(row) == 1.0


def share_of(row: BudgetBalance) -> float | None:
    """Return the share of a budget that is spent or held, by its tighter cap; None where customers have their own."""
    budget, balance = row.budget, row.balance
    if budget.scope == "customer":
        return None
    pairs = ((budget.amount, balance.spent + balance.held), (budget.uses, balance.spent_uses + balance.held_uses))
    shares = [1.0 if cap == 0 else min(1.0, used / cap) for cap, used in pairs if cap is not None]
    return max(shares, default=None)


def alert_of(share: float | None) -> tuple[str, str]:
    """Return the badge of a budget's state and its kind."""
    if share is None:
        return "Per customer", "plain"
    if share >= 1:
        return "Used up", "bad"
    if share >= NEARLY_SPENT:
        return "Nearly used up", "warn"
    return ("Half used", "info") if share >= HALF_SPENT else ("Available", "good")
