"""Read what budgets have spent: balances, the ledger, holds."""

from __future__ import annotations

from typing import NamedTuple

from engine.model.documents.offer import OfferBudget
from engine.model.offers.hold import TOTAL, Balance, BalanceKey, Hold, LedgerEntry
from engine.model.resource import Resource
from engine.model.timestamps import DAY
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
        self, merchant_id: int, *, budget: str = "", before: tuple[int, str] | None = None, limit: int
    ) -> list[LedgerEntry]:
        """Return entries of the ledger, the newest first."""
        async with self._database.read() as connection:
            return await entries.page(connection, merchant_id, budget=budget, before=before, limit=limit)

    async def hold(self, merchant_id: int, hold_id: str) -> Hold:
        """Return one hold; raise `NotFound` where there is none."""
        async with self._database.read() as connection:
            return await holds.get(connection, merchant_id, hold_id)

    async def verify(self, merchant_id: int) -> Verification:
        """Compare ledger, balances and holds."""
        return await verify(self._database, merchant_id)


def _with_balance(resource: Resource, sums: dict[BalanceKey, Balance], now: int) -> BudgetBalance:
    budget: OfferBudget = resource.document
    period = now // DAY if budget.period == "day" else TOTAL
    total = Balance()
    for key, balance in sums.items():
        if key.budget == budget.id and key.period == period:
            total = total.plus(balance)
    return BudgetBalance(budget, resource.version, total)
