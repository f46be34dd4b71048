"""Holds and budgets for tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from engine.model.offers.hold import TOTAL, BalanceKey, Hold
from engine.store.connection.database import Database
from engine.store.offers import balances
from engine.store.offers.balances import Cap
from engine.store.tables.accounts import merchants

SHARED = BalanceKey(1, "spring", TOTAL, "")
"""The balance of a budget that everybody shares."""


def a_hold(id: str = "h", **changes: Any) -> Hold:
    values: dict[str, Any] = {
        "merchant_id": 1,
        "placement": "offers",
        "offer": "ten-percent",
        "plan_version": 1,
        "decision_id": "",
        "customer": "",
        "currency": "EUR",
        "amount": 100,
        "cart_total": 1_000,
        "balances": (SHARED,),
        "created_at": 0,
        "expires_at": 900_000,
    }
    return Hold(id, **(values | changes))


async def add_merchant(database: Database) -> None:
    """Add the merchants 1 and 2."""
    async with database.write() as connection:
        for id in (1, 2):
            texts = dict.fromkeys(("name", "country", "currency", "locale", "timezone"), "-")
            await connection.execute(
                insert(merchants).values(id=id, slug=f"shop-{id}", mode="live", created_at=0, **texts)
            )


async def caps(
    database: Database, budget: str = "spring", *, amount: int | None = None, uses: int | None = None
) -> None:
    """Put the caps of a budget of merchant 1 in force."""
    async with database.write() as connection:
        await balances.set_caps(connection, [Cap(1, budget, amount, uses)])
