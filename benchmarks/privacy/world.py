"""A shop with everything that keeps something about customers, and customers who do all that leaves a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.clock import now_ms
from engine.customers.changes import Changer
from engine.experiments.conversions import ReportedConversion
from engine.model.actor import Actor
from engine.model.documents.consent import ConsentRecord
from engine.model.documents.offer import Offer, OfferBudget, OfferText, Percentage
from engine.model.documents.preferences import PreferenceChange
from engine.model.experiment import Experiment, Variant
from engine.model.outcome import OutcomeRow
from engine.model.placement import Candidate, Contextual, Fixed, Holdback, Placement, RuleDocument, Subset
from engine.service import Engine, open_engine
from engine.settings import Settings

METHODS = ("card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay")
PAYMENT, BANNER, OFFERS = "payment_methods", "banner", "offers"
SERVER = Changer("server", "the check")
AT_ONCE = 16
ANSWERS_WITHIN_MS = 60_000


class World(NamedTuple):
    """An engine with one merchant."""

    engine: Engine
    merchant_id: int

    async def decide(self, customer: str, *placements: str, **cart: int) -> list[Any]:
        """Decide for the placements, the payment methods if none is given."""
        context = {"cart": {"total": 4_900, "currency": "EUR", **cart}, "device": {"type": device_of(customer)}}
        return await self.engine.decider.decide(self.merchant_id, placements or (PAYMENT,), customer, context)

    async def shop_around(self, customers: Sequence[str]) -> None:
        """Let customers decide, buy, refund, convert, hold offers, log in and say what they want."""
        for start in range(0, len(customers), AT_ONCE):
            await asyncio.gather(*(self._visit(customer) for customer in customers[start : start + AT_ONCE]))
        await self.engine.supervisor.add_up()
        await self.engine.use_counter.flush()

    async def _visit(self, customer: str) -> None:
        engine, merchant_id, number = self.engine, self.merchant_id, sum(customer.encode())
        device = f"device of {customer}"
        if number % 4 == 0:
            await self.decide(device)
        answers = await self.decide(customer, PAYMENT, BANNER)
        for answer in answers:
            first = answer.decision.ranking[0].id
            words = ("shown", "converted", "refunded")[: 1 + number % 3]
            await engine.recorder.outcomes([self._outcome(answer, word, first) for word in words])
        if number % 4 == 0:
            await engine.aliases.link(merchant_id, customer, device)
            change = PreferenceChange(default_method="paypal", language="de", categories={"note": "rotweiss"})
            await engine.preferences.change(merchant_id, customer, change, SERVER)
            record = ConsentRecord(method="save", purposes={"analytics": True})
            await engine.consents.record(merchant_id, customer, record, SERVER)
        if number % 4 == 1:
            await engine.decider.decide_offers(merchant_id, OFFERS, customer, {"cart": {"total": 9, "currency": "EUR"}})
        if number % 4 == 2:
            now = now_ms()
            bought = ReportedConversion(
                event_id=f"conversion of {number} {now}", unit=customer, amount=700, currency="EUR", occurred_at=now,
                recorded_at=now, source="server", key_id="key",
            )  # fmt: skip
            await engine.conversions.record(merchant_id, PAYMENT, "first", bought)

    def _outcome(self, answer: Any, word: str, candidate: str) -> OutcomeRow:
        decision, now = answer.decision.decision_id, now_ms()
        amount, currency = (4_900, "EUR") if word != "shown" else (None, None)
        return OutcomeRow(
            self.merchant_id, f"{word} {decision}", decision, None, "", word, candidate, amount, currency, now, now
        )


def device_of(customer: str) -> str:
    return ("mobile", "desktop", "tablet")[sum(customer.encode()) % 3]


def settings_of(folder: Path, database_url: str = "") -> Settings:
    """Return settings of an engine that learns only on request."""
    return Settings(
        data=str(folder),
        database_url=database_url,
        decision_timeout_ms=ANSWERS_WITHIN_MS,
        refresh_seconds=3600,
        log_level="error",
    )


async def open_world(settings: Settings) -> World:
    """Open an engine with a bandit, a model that reads facts, offers, a rule, a holdback and an experiment."""
    engine = await open_engine(settings)
    await engine.start(with_jobs=False)
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    actor, catalogue = Actor(merchant.id, "check"), engine.catalogue
    candidates = [Candidate(id=id, label=id, position=number) for number, id in enumerate(METHODS)]
    placements = [
        Placement(key=PAYMENT, name="Payment methods", holdback=Holdback(share=0.2)),
        Placement(key=BANNER, name="Banner", policy=Contextual(features=("device.type",)), credit="first"),
        Placement(key=OFFERS, name="Offers", shape=Subset(1), policy=Fixed()),
    ]
    budget = OfferBudget(id="spring", name="Spring", currency="EUR", amount=10**12)
    await catalogue.create(actor, "budget", "", [budget])
    await catalogue.create(actor, "placement", "", placements)
    for placement in (PAYMENT, BANNER):
        await catalogue.create(actor, "candidate", placement, candidates)
    offer = Offer(
        currency="EUR",
        benefit=Percentage(percent=10, maximum=2_000),
        budgets=("spring",),
        texts={"en": OfferText("10%")},
    )
    await catalogue.create(actor, "candidate", OFFERS, [Candidate(id="ten", label="10%", offer=offer)])
    boost = {"boost": {"candidates": ["klarna"], "factor": 1.5}}
    rule = RuleDocument(id="r1", name="Boost", when={">": [{"var": "cart.total"}, 100]}, effects=(boost,))
    await catalogue.create(actor, "rule", PAYMENT, [rule])
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
    await engine.experiments.create(actor, PAYMENT, Experiment(id="first", name="First", variants=variants))
    await engine.experiments.start(actor, PAYMENT, "first")
    return World(engine, merchant.id)


async def create_data(settings: Settings) -> str:
    """Open a world, close it again, and return a secret key of its merchant."""
    world = await open_world(settings)
    merchant = await world.engine.accounts.merchant("shop", "live")
    _, key = await world.engine.accounts.create_key(merchant, "secret", "", actor_name="check")
    await world.engine.stop()
    return key
