"""Redeem offers: look whether one may be used, hold it, redeem, release and refund it. What is unclear is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.customers import Hasher
from engine.decisions.offer_holds import BudgetReader, new_hold
from engine.decisions.recorder import Recorder
from engine.kernel.kernel import limits_for
from engine.kernel.offers import ledger
from engine.kernel.offers.availability import Asking, unavailable, window_reason
from engine.kernel.offers.quote import Cart, discount
from engine.kernel.plan import Plan, PlanDocument, offers_of
from engine.learning.live import Live
from engine.model.documents.offer import Offer
from engine.model.errors import Conflict, NotFound
from engine.model.facts import UNAVAILABLE, derive
from engine.model.offers.hold import Hold
from engine.model.outcome import OutcomeRow
from engine.model.standard_vocabulary import CUSTOMER_ID
from engine.model.timestamps import MINUTE, rfc3339
from engine.offers.holds import Holds, Idempotency, taken
from engine.store import plans
from engine.store.offers import holds

log = structlog.get_logger()


class OfferRequest(NamedTuple):
    """Which offer is asked for, by id or by code, by whom, and with which facts of the checkout."""

    placement: str
    offer_id: str
    code: str
    customer_id: str
    context: Mapping[str, Any]


class OfferQuote(NamedTuple):
    """What an offer takes off now; `reason` says why it may not be used, and is empty where it may."""

    plan: Plan
    offer_id: str
    asking: Asking
    discount: int
    reason: str

    @property
    def offer(self) -> Offer:
        return self.plan.offers[self.offer_id]


class Purchase(NamedTuple):
    """The hold that is redeemed, the cart as it is paid, and the order that it becomes."""

    hold_id: str
    cart: Cart
    order_id: str = ""


class Redemptions:
    """Everything that spends budgets outside of decisions."""

    def __init__(self, own: Holds, budgets: BudgetReader, live: Live, hasher: Hasher, recorder: Recorder) -> None:
        self._holds = own
        self._live = live
        self._hasher = hasher
        self._recorder = recorder
        self._budgets = budgets

    async def quote(self, merchant_id: int, request: OfferRequest, *, now: int) -> OfferQuote:
        """Return what an offer takes off now, by the rules, limits and budgets in force; stores nothing."""
        active = self._live.get(merchant_id, request.placement)
        offer_id = _find(active.plan, request) if active is not None else None
        if active is None or offer_id is None:
            raise NotFound("there is no such offer", field="code" if request.code else "offer_id")
        plan = active.plan
        customer = self._hasher(merchant_id, request.customer_id) if request.customer_id else ""
        values, _ = plan.intake.read(request.context)
        asking = Asking(merchant_id, customer, Cart.of(values), now, plan.document.currency)
        state = await self._budgets.load(plan, asking)
        derive(values, {}, now=rfc3339(now))
        if customer and plan.reads_customer:
            values[CUSTOMER_ID] = customer
        values[UNAVAILABLE] = unavailable(plan, asking, state._replace(own_holds={}))
        limits = limits_for(plan, values, plan.compiled.evaluate(values).fired)
        reason = next((excluded.reason for excluded in limits.excluded if excluded.id == offer_id), "")
        return OfferQuote(plan, offer_id, asking, discount(plan.offers[offer_id], asking.cart), reason)

    async def hold(self, quote: OfferQuote, idempotency: Idempotency | None = None) -> Hold:
        """Hold what was quoted; raise `Conflict` where it may not be used."""
        asking = quote.asking

        async def work(connection: AsyncConnection) -> Hold:
            if quote.reason:
                raise Conflict(f"“{quote.offer_id}” cannot be used: {quote.reason}", field="offer_id")
            new = new_hold(quote.plan, quote.offer_id, asking, "")
            return await taken(connection, ledger.take(new), now=asking.now)

        return await self._holds.once(asking.merchant_id, idempotency, work, now=asking.now)

    async def redeem(
        self, merchant_id: int, purchase: Purchase, idempotency: Idempotency | None = None, *, now: int
    ) -> Hold:
        """Redeem a hold for the cart as it is now, and report it to its decision.

        A live hold is honoured whatever became of offer and budget. A cart for which the offer takes off more than is
        held, and a hold whose time ran out, need the budget again: `Conflict` with the new discount where it is spent.
        """

        async def work(connection: AsyncConnection) -> Hold:
            return await self._redeemed(connection, merchant_id, purchase, now)

        hold = await self._holds.once(merchant_id, idempotency, work, now=now)
        if hold.decision_id:
            await self._report(hold, now)
        return hold

    async def _redeemed(self, connection: AsyncConnection, merchant_id: int, purchase: Purchase, now: int) -> Hold:
        cart = purchase.cart
        hold = await holds.lock(connection, merchant_id, purchase.hold_id)
        if cart.currency not in (None, hold.currency):
            raise Conflict(f"hold “{hold.id}” is in {hold.currency}", field="cart/currency")
        offer = await self._offer_of(connection, hold)
        # Without a total, the cart is the one that was held for.
        amount = discount(offer, cart) if cart.total is not None else min(discount(offer, cart), hold.amount)
        if hold.state == "expired":
            hold = await self._revived(connection, hold, amount, now)
        elif hold.state == "live" and amount > hold.amount:
            larger = ledger.requote(hold, amount=amount, like=hold)
            hold = await taken(connection, larger, now=now)
        total = hold.cart_total if cart.total is None else cart.total
        transition = ledger.redeem(hold, discount=amount, cart_total=total, order_id=purchase.order_id)
        await holds.apply(connection, transition, now=now)
        return transition.hold

    async def _report(self, hold: Hold, now: int) -> None:
        """Record that a decision's offer was redeemed; a failure is logged, as the redemption itself stands."""
        of_offer = (hold.decision_id, None, "", "redeemed", hold.offer, None, None)
        event = OutcomeRow(hold.merchant_id, f"redeemed:{hold.id}", *of_offer, occurred_at=now, recorded_at=now)
        try:
            await self._recorder.outcomes([event])
        except Exception as error:
            log.error("redemption not reported", placement=hold.placement, exc_info=error)

    async def _revived(self, connection: AsyncConnection, hold: Hold, amount: int, now: int) -> Hold:
        """Hold an expired hold again at the price of now, if its offer is still in force."""
        active = self._live.get(hold.merchant_id, hold.placement)
        offer = active.plan.offers.get(hold.offer) if active is not None else None
        reason = window_reason(offer, now) if offer is not None else "is no longer offered"
        if reason or offer is None:
            raise Conflict(f"hold “{hold.id}” expired, and the offer {reason}", field="hold_id")
        transition = ledger.revive(hold, amount=amount, expires_at=now + offer.hold_minutes * MINUTE)
        return await taken(connection, transition, now=now)

    async def _offer_of(self, connection: AsyncConnection, hold: Hold) -> Offer:
        """Return the offer as it was shown."""
        active = self._live.get(hold.merchant_id, hold.placement)
        if active is not None and active.plan.version == hold.plan_version:
            return active.plan.offers[hold.offer]
        row = await plans.get(connection, hold.merchant_id, hold.placement, hold.plan_version)
        document = msgspec.json.decode(row.document, type=PlanDocument) if row is not None else None
        offer = offers_of(document.candidates).get(hold.offer) if document is not None else None
        if offer is None:
            raise NotFound(f"the offer of hold “{hold.id}” is no longer stored", field="hold_id")
        return offer


def _find(plan: Plan, request: OfferRequest) -> str | None:
    """Return the id of the offer that is asked for."""
    id, code = request.offer_id, request.code.lower()
    if not id:
        return next((other for other, offer in plan.offers.items() if code and offer.code.lower() == code), None)
    return id if id in plan.offers and code in ("", plan.offers[id].code.lower()) else None
