"""The caps of budgets that are in force; they follow the published documents in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.offer import OfferBudget
from engine.model.errors import Conflict
from engine.model.offers.hold import Cap
from engine.model.resource import Resource
from engine.store.connection.bulk import insert_many
from engine.store.tables import budget_balances, budget_caps

_CAP_COLUMNS = Cap._fields
_READ = {
    dialect: f"SELECT {', '.join(_CAP_COLUMNS)} FROM budget_caps WHERE merchant_id = {merchant}"  # noqa: S608
    for dialect, merchant in {"sqlite": "?", "postgresql": "$1"}.items()
}


async def follow(connection: AsyncConnection, merchant_id: int, changes: Iterable[tuple[Resource | None, Any]]) -> None:
    """Put the caps of changed budgets in force; raise `Conflict` where a deleted one was used."""
    budgets = [after.document for _, after in changes if after is not None and isinstance(after.document, OfferBudget)]
    removed_ids = [before.id for before, after in changes if after is None and before and before.kind == "budget"]
    await set_caps(connection, [Cap(merchant_id, budget.id, budget.amount, budget.uses) for budget in budgets])
    for budget in removed_ids:
        await _remove(connection, merchant_id, budget)


async def set_caps(connection: AsyncConnection, caps: Sequence[Cap]) -> None:
    """Put caps in force; what is spent or held already stays, also above a lower cap."""
    await insert_many(connection, budget_caps, _CAP_COLUMNS, sorted(caps), on_conflict="replace")


async def read(connection: AsyncConnection, merchant_id: int) -> dict[str, Cap]:
    """Return the caps in force, by budget."""
    rows: Iterable[Any] = await connection.exec_driver_sql(_READ[connection.dialect.name], (merchant_id,))
    return {cap.budget: cap for cap in (Cap(*row) for row in rows)}


async def _remove(connection: AsyncConnection, merchant_id: int, budget: str) -> None:
    used = select(budget_balances.c.budget).where(
        budget_balances.c.merchant_id == merchant_id, budget_balances.c.budget == budget
    )
    if (await connection.execute(used.limit(1))).first() is not None:
        raise Conflict(f"budget “{budget}” was used, and its ledger stays; lower its cap instead", field="id")
    is_budget = (budget_caps.c.merchant_id == merchant_id) & (budget_caps.c.budget == budget)
    await connection.execute(delete(budget_caps).where(is_budget))
