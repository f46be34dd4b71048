"""The prices of a placement's paced budgets, made anew from what was spent since."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

from sqlalchemy.ext.asyncio import AsyncConnection

from bandits.pacing import FIRST_PRICE, PacingStep, expected_traffic, hourly_profile, next_price
from engine.kernel.beliefs import BudgetPrice
from engine.kernel.plan import Plan
from engine.model.documents.offer import OfferBudget
from engine.model.offers.hold import TOTAL, Balance, BalanceKey
from engine.model.timestamps import DAY, MINUTE, ms_of
from engine.store import rollups
from engine.store.offers import balances

LEAST_INTERVAL_MS = 30_000
"""Other processes make prices too: one that is newer stays."""
LEAST_CHANGE = 0.01
DAYS_OF_TRAFFIC = 7


def is_paced(budget: OfferBudget, now: int) -> bool:
    """Return whether a budget's time has begun and is not over."""
    begin, end = times_of(budget)
    return begin <= now < end


def times_of(budget: OfferBudget) -> tuple[int, int]:
    """Return when a budget's pacing begins and ends (epoch ms); an empty time without pacing."""
    if budget.pacing is None:
        return 0, 0
    return ms_of(budget.pacing.starts_at) or 0, ms_of(budget.pacing.ends_at) or 0


def stretch_of(budget: OfferBudget, now: int) -> tuple[int, int]:
    """Return the time for which the amount of now is to last: all of the pacing, or a day's part of it."""
    begin, end = times_of(budget)
    if budget.period == "total":
        return begin, end
    day = now - now % DAY
    return max(begin, day), min(end, day + DAY)


def differ(before: Mapping[str, BudgetPrice], after: Mapping[str, BudgetPrice]) -> bool:
    """Return whether prices differ by enough for new beliefs; smaller changes add up until they do."""
    if before.keys() != after.keys():
        return True
    return any(abs(log(after[id].price / price.price)) > LEAST_CHANGE for id, price in before.items())


async def next_prices(
    connection: AsyncConnection, merchant_id: int, plan: Plan, before: Mapping[str, BudgetPrice], *, now: int
) -> dict[str, BudgetPrice]:
    """Return the prices from now on of the budgets whose time it is, by budget."""
    paced = [budget for budget in plan.budgets.values() if is_paced(budget, now)] if plan.weighs_offers else []
    if not paced:
        return {}
    keys = {budget.id: BalanceKey(merchant_id, budget.id, _period(budget, now), "") for budget in paced}
    read = await balances.read(connection, sorted(keys.values()))
    minute = now // MINUTE
    counts = await rollups.traffic_by_hour(connection, merchant_id, since=minute - DAYS_OF_TRAFFIC * DAY // MINUTE)
    profile = hourly_profile(counts)
    prices = {}
    for budget in paced:
        balance = read.get(keys[budget.id], Balance())
        used = balance.held + balance.spent
        prices[budget.id] = _next(budget, before.get(budget.id), used, profile, now)
    return prices


def _period(budget: OfferBudget, now: int) -> int:
    return now // DAY if budget.period == "day" else TOTAL


def _next(
    budget: OfferBudget, last: BudgetPrice | None, used: int, profile: tuple[float, ...], now: int
) -> BudgetPrice:
    if last is None:
        return BudgetPrice(FIRST_PRICE, used, now)
    if now - last.made_at < LEAST_INTERVAL_MS:
        return last
    begin, end = stretch_of(budget, now)
    first, until = times_of(budget)
    if budget.period == "day":
        # Days are alike, so the price goes on from day to day: a day alone has too few redemptions to find it.
        until = min(until, first + DAYS_OF_TRAFFIC * DAY)
    if last.made_at < begin and budget.period == "day":
        # A new day has its whole amount, and begins at the price at which the last one ended.
        last = BudgetPrice(last.price, 0, begin)
    step = PacingStep(
        spent=used - last.used,
        left=max(0, (budget.amount or 0) - last.used),
        elapsed=expected_traffic(profile, last.made_at, now),
        to_come=expected_traffic(profile, last.made_at, end),
        passed=expected_traffic(profile, first, last.made_at),
        horizon=expected_traffic(profile, first, until),
    )
    return BudgetPrice(next_price(last.price, step), used, now)
