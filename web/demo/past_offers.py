"""Show, redeem and refund offers in the demo's past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from engine.decisions.requests.answers import HeldAnswer
from engine.kernel.offers import ledger
from engine.kernel.offers.quote import Cart
from engine.model.offers.hold import Hold
from engine.model.outcome import OutcomeRow
from engine.model.timestamps import to_ms
from engine.offers.redemptions import Purchase
from engine.service import Engine
from simulation.worlds.month import TimedVisit
from simulation.worlds.offer_reactions import SHIPPING, offer_context, sees_offers
from simulation.worlds.shoppers import CheckoutVisit
from web.demo import offer_catalogue

REDEEMED_AFTER = timedelta(seconds=60)
KEY = offer_catalogue.PLACEMENT.key


class PastOffers:
    """The part of the past that is about offers."""

    def __init__(self, engine: Engine, merchant_id: int) -> None:
        self._engine = engine
        self._merchant_id = merchant_id

    async def ask(self, visit: CheckoutVisit) -> HeldAnswer | None:
        """Return the offers that a cart is shown; None where the shop does not ask for any."""
        if not sees_offers(visit):
            return None
        return await self._engine.decider.decide_offers(
            self._merchant_id, KEY, visit.shopper.customer_id, offer_context(visit)
        )

    async def redeem(self, timed: TimedVisit, held: HeldAnswer) -> Hold:
        """Redeem the offer that a customer was shown."""
        (hold,) = held.holds
        cart = Cart(timed.visit.total, hold.currency, SHIPPING)
        purchase = Purchase(hold.id, cart, f"order-{hold.decision_id[-12:]}")
        redeemed_at = to_ms(timed.time + REDEEMED_AFTER)
        return await self._engine.redemptions.redeem(self._merchant_id, purchase, now=redeemed_at)

    async def refund(self, hold: Hold, *, now: int) -> None:
        """Give the budgets back what an order took off that is refunded as a whole."""
        give_back = partial(ledger.refund, amount=hold.cart_total)
        await self._engine.holds.change(self._merchant_id, hold.id, give_back, now=now)

    def outcomes(self, timed: TimedVisit, held: HeldAnswer, *, bought: bool, redeems: bool) -> Iterator[OutcomeRow]:
        """Yield what the shop reports of a decision about offers."""
        decision = held.answer.decision
        shown = [ranked.id for ranked in decision.ranking]
        for offer in shown:
            yield self._outcome(decision.decision_id, "shown", offer, timed.time)
        if bought:
            used = shown[0] if redeems else None
            paid_at = timed.time + REDEEMED_AFTER + timedelta(seconds=1)
            yield self._outcome(decision.decision_id, "converted", used, paid_at, timed.visit.total)

    def _outcome(
        self, decision_id: str, type: str, offer: str | None, time: datetime, amount: int | None = None
    ) -> OutcomeRow:
        return OutcomeRow(
            self._merchant_id,
            f"past-{type}:{decision_id}",
            decision_id,
            None,
            "",
            type,
            offer,
            amount,
            None if amount is None else offer_catalogue.CURRENCY,
            to_ms(time),
            to_ms(time),
        )
