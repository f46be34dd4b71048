"""Holds and budgets for tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.decisions.requests.answers import HeldAnswer
from engine.kernel.offers.quote import Cart
from engine.model.documents.offer import Offer, OfferBudget, OfferText, Percentage
from engine.model.offers.hold import TOTAL, Balance, BalanceKey, Cap, Hold
from engine.model.placement import Candidate, Fixed, Placement, Subset
from engine.offers.redemptions import Purchase
from engine.store.connection.database import Database
from engine.store.offers.caps import set_caps
from engine.store.tables.accounts import merchants
from tests.shop import Shop

SHARED = BalanceKey(1, "spring", TOTAL, "")
"""The key of a balance that all customers share."""


def make_hold(id: str = "h", **changes: Any) -> Hold:
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


async def set_budget_caps(
    database: Database, budget: str = "spring", *, amount: int | None = None, uses: int | None = None
) -> None:
    """Set the caps of a budget of merchant 1."""
    async with database.write() as connection:
        await set_caps(connection, [Cap(1, budget, amount, uses)])


def make_offer(**changes: Any) -> Offer:
    """Return a discount of 10%, at most 20.00 EUR, paid by the budget `spring`."""
    values: dict[str, Any] = {
        "currency": "EUR",
        "benefit": Percentage(percent=10, maximum=2_000),
        "budgets": ("spring",),
        "texts": {"en": OfferText("10% off", "Once a customer"), "de": OfferText("10 % Rabatt")},
    }
    return Offer(**(values | changes))


def offer_candidate(id: str = "ten-percent", *, position: int = 0, enabled: bool = True, **changes: Any) -> Candidate:
    """Return a candidate with an offer."""
    return Candidate(id=id, label=id, position=position, enabled=enabled, offer=make_offer(**changes))


async def open_offers(shop: Shop, *candidates: Candidate, limit: int = 3, **budget: Any) -> None:
    """Give a shop the budget `spring` and the placement `offers`."""
    values: dict[str, Any] = {"amount": 10_000} | budget
    await shop.create("budget", OfferBudget(id="spring", name="Spring", currency="EUR", **values))
    await shop.create("placement", Placement(key="offers", name="Offers", shape=Subset(limit), policy=Fixed()))
    await shop.create("candidate", *(candidates or (offer_candidate(),)), placement="offers")


async def decide_offers(shop: Shop, customer: str | None = None, *, total: int | None = 10_000) -> HeldAnswer:
    """Decide the offers for a cart in EUR."""
    cart = {"currency": "EUR"} | ({} if total is None else {"total": total})
    return await shop.engine.decider.decide_offers(shop.id, "offers", customer, {"cart": cart})


async def check_nothing(_connection: AsyncConnection) -> None:
    """Check nothing before the statement runs."""


async def balance(shop: Shop, budget: str = "spring") -> Balance:
    row = await shop.engine.budgets.get(shop.id, budget, now=now_ms())
    return row.balance


async def is_verified(shop: Shop) -> bool:
    verification = await shop.engine.budgets.verify(shop.id)
    return verification.is_same and verification.over_cap == ()


def shown_offers(held: HeldAnswer) -> list[str]:
    return [ranked.id for ranked in held.answer.decision.ranking]


def exclusion_reasons(held: HeldAnswer) -> dict[str, str]:
    return {excluded.id: excluded.reason for excluded in held.answer.decision.excluded}


async def redeem(
    shop: Shop, hold_id: str, total: int = 10_000, *, currency: str = "EUR", order_id: str = "o-1"
) -> Hold:
    purchase = Purchase(hold_id, Cart(total, currency), order_id)
    return await shop.engine.redemptions.redeem(shop.id, purchase, now=now_ms())
