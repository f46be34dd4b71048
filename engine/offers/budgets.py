"""Read what budgets have spent: balances, the ledger, holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.model.documents.offer import OfferBudget
from engine.model.offers.hold import (
    EVERY_ENTRY,
    TOTAL,
    Balance,
    BalanceKey,
    Hold,
    LedgerFilter,
    OfferEntry,
    OfferKey,
    OfferUses,
)
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.offers.burn_down import BurnDown, DayOfSpending, burn_down
from engine.offers.verification import Verification, verify
from engine.store import resources
from engine.store.connection.database import Database
from engine.store.offers import balances, entries, holds


class BudgetBalance(NamedTuple):
    """A budget with its balance of now; of one for each customer, the sum over all customers."""

    budget: OfferBudget
    version: int
    balance: Balance

    @property
    def left(self) -> int | None:
        """Return the amount that may still be held; None without a cap that all customers share."""
        if self.budget.amount is None or self.budget.scope == "customer":
            return None
        return max(0, self.budget.amount - self.balance.spent - self.balance.held)

    @property
    def left_uses(self) -> int | None:
        """Return how many uses may still be held; None without a cap that all customers share."""
        if self.budget.uses is None or self.budget.scope == "customer":
            return None
        return max(0, self.budget.uses - self.balance.spent_uses - self.balance.held_uses)


class SpendingHistory(NamedTuple):
    """The amounts taken and spent by epoch day, as uses where the budget caps these alone, and the budget's course."""

    days: Mapping[int, DayOfSpending]
    course: BurnDown | None
    by_uses: bool


class Budgets:
    """The budgets of merchants, as their pages and the API show them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, merchant_id: int, *, now: int) -> list[BudgetBalance]:
        """Return all budgets with their balances, by id."""
        async with self._database.read() as connection:
            documents = await resources.page(connection, merchant_id, "budget", "")
            sums = await balances.totals(connection, merchant_id)
        return [_with_balance(resource, sums, now) for resource in documents]

    async def get(self, merchant_id: int, budget: str, *, now: int) -> BudgetBalance:
        """Return one budget with its balance; raise `NotFound` where there is none."""
        async with self._database.read() as connection:
            resource = await resources.get(connection, merchant_id, "budget", "", budget)
            sums = await balances.totals(connection, merchant_id)
        return _with_balance(resource, sums, now)

    async def ledger(
        self,
        merchant_id: int,
        *,
        only: LedgerFilter = EVERY_ENTRY,
        before: tuple[int, str] | None = None,
        limit: int,
    ) -> list[OfferEntry]:
        """Return entries of the ledger with their offers, the newest first."""
        async with self._database.read() as connection:
            return await entries.page(connection, merchant_id, only=only, before=before, limit=limit)

    async def spending(self, merchant_id: int, row: BudgetBalance, *, now: int) -> SpendingHistory:
        """Return how a budget was spent by day and, where all customers share it from start to end, its course."""
        budget = row.budget
        async with self._database.read() as connection:
            moved = await entries.by_day(connection, merchant_id, budget.id)
            started_at = await entries.first_at(connection, merchant_id, budget.id)
        by_uses = budget.amount is None
        days = _days(moved, by_uses=by_uses)
        left = row.left_uses if by_uses else row.left
        if started_at is None or left is None or budget.period != "total":
            return SpendingHistory(days, None, by_uses)
        return SpendingHistory(days, burn_down(days, left=left, started_at=started_at, now=now), by_uses)

    async def redeemed_share(self, merchant_id: int, placement: str, *, since: int) -> tuple[int, int]:
        """Return how many of a placement's holds since a time were redeemed, and of how many that are over."""
        async with self._database.read() as connection:
            return await holds.redeemed_share(connection, merchant_id, placement, since=since)

    async def uses(self, merchant_id: int, *, since: int) -> dict[OfferKey, OfferUses]:
        """Return how a merchant's offers were used since a time."""
        async with self._database.read() as connection:
            return await holds.uses_by_offer(connection, merchant_id, since=since)

    async def hold(self, merchant_id: int, hold_id: str) -> Hold:
        """Return one hold; raise `NotFound` where there is none."""
        async with self._database.read() as connection:
            return await holds.get(connection, merchant_id, hold_id)

    async def verify(self, merchant_id: int) -> Verification:
        """Compare ledger, balances, holds and codes."""
        return await verify(self._database, merchant_id)


def _days(moved: Iterable[tuple[int, str, int, int]], *, by_uses: bool) -> dict[int, DayOfSpending]:
    days: dict[int, DayOfSpending] = {}
    for day, kind, amount, uses in moved:
        taken, spent = days.get(day, DayOfSpending(0, 0))
        size = uses if by_uses else amount
        taken += {"hold": size, "release": -size, "refund": -size}.get(kind, 0)
        spent += {"commit": size, "refund": -size}.get(kind, 0)
        days[day] = DayOfSpending(taken, spent)
    return days


def _with_balance(resource: Resource, sums: dict[BalanceKey, Balance], now: int) -> BudgetBalance:
    budget: OfferBudget = resource.document
    period = now // DAY if budget.period == "day" else TOTAL
    total = Balance()
    for key, balance in sums.items():
        if key.budget == budget.id and key.period == period:
            total = total.plus(balance)
    return BudgetBalance(budget, resource.version, total)
