"""Redeem offers: look whether one may be used, hold it, redeem, release and refund it. What is unclear is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.customers import Hasher
from engine.decisions.offer_holds import BudgetReader, code_request, new_hold
from engine.decisions.recorder import Recorder
from engine.decisions.requests.customer_reader import CustomerReader
from engine.decisions.requests.scope import RequestScope, facts_of, offer_context_of, read_facts
from engine.intake.context import Reading
from engine.kernel.kernel import limits_for
from engine.kernel.offers import ledger, stacking
from engine.kernel.offers.availability import (
    CODES_USED_UP,
    NEEDS_CUSTOMER,
    OWN_CODE_USED,
    OfferContext,
    unavailable,
    window_reason,
)
from engine.kernel.offers.ledger import Transition
from engine.kernel.offers.quote import Cart, discount
from engine.kernel.plan import Plan, PlanDocument, offers_of
from engine.learning.live import Live
from engine.model.documents.offer import Offer
from engine.model.errors import Conflict, FieldProblem, Invalid, NotFound, invalid
from engine.model.facts import UNAVAILABLE, Facts
from engine.model.offers.hold import Hold
from engine.model.outcome import OutcomeRow
from engine.model.timestamps import MINUTE
from engine.offers.codes import Codes, OfferRequest, TypedCode
from engine.offers.holds import Holds, Idempotency, check_taking, taken
from engine.store import plans
from engine.store.offers import holds

log = structlog.get_logger()

MOST_FORMER_PLANS = 16
"""Plans that were replaced while their offers were held stay decoded: each redemption reads one."""
CART_AMOUNTS = ("cart.total", "cart.shipping")
CART_FACTS = ("cart", "cart.currency", *CART_AMOUNTS)
UNREADABLE = ("ill_formed", "too_large", "no_group")
"""Notes of facts that were sent and not understood. Decisions go on without them; money is not spent so."""
OF_CODES = (CODES_USED_UP, NEEDS_CUSTOMER, OWN_CODE_USED)
"""Reasons that do not count for a code that was typed in."""


class OfferQuote(NamedTuple):
    """The discount of an offer now; `reason` says why it may not be used, and is empty where it may.

    `code` is the one that was typed in, if it belongs to one hold alone; `own` is the customer's hold that has it.
    """

    plan: Plan
    offer_id: str
    context: OfferContext
    discount: int
    reason: str
    code: str = ""
    own: Hold | None = None

    @property
    def offer(self) -> Offer:
        return self.plan.offers[self.offer_id]


class Purchase(NamedTuple):
    """The hold that is redeemed, the cart as it is paid, and the order that it becomes."""

    hold_id: str
    cart: Cart
    order_id: str = ""


class Price(NamedTuple):
    """The amount that a hold is redeemed for, and the amount to hold beforehand; None where it covers the amount."""

    amount: int
    cart_total: int
    more: Transition | None

    def redeem(self, hold: Hold, purchase: Purchase, now: int) -> Transition:
        """Return the redemption of a hold that covers the amount; raise `Conflict` unless it is live."""
        total, order_id = self.cart_total, purchase.order_id
        return ledger.redeem(hold, discount=self.amount, cart_total=total, order_id=order_id, redeemed_at=now)


class OfferStores(NamedTuple):
    """The stores that redemptions read and write."""

    holds: Holds
    budgets: BudgetReader
    codes: Codes
    customers: CustomerReader


class Redemptions:
    """Everything that spends budgets outside of decisions."""

    def __init__(
        self, stores: OfferStores, live: Live, hasher: Hasher, recorder: Recorder, weights: Sequence[float]
    ) -> None:
        self._holds, self._budgets, self._codes, self._customers = stores
        self._live = live
        self._hasher = hasher
        self._recorder = recorder
        self._weights = weights
        self._former_plans: dict[tuple[int, str, int], PlanDocument] = {}

    async def quote(self, merchant_id: int, request: OfferRequest, *, now: int) -> OfferQuote:
        """Return what an offer takes off now, by the rules, limits and budgets in force; stores nothing.

        Raise `Invalid` where the cart's amounts or currency cannot be read: what they allow must not be guessed.
        """
        active = self._live.get(merchant_id, request.placement)
        if active is None:
            raise _no_offer(request)
        plan = active.plan
        customer = self._hasher(merchant_id, request.customer_id) if request.customer_id else ""
        typed = await self._codes.typed(plan, merchant_id, request, customer, now=now)
        offer_id = _find(plan, request, now) if typed is None else typed.offer
        if offer_id is None:
            raise _no_offer(request)
        scope = RequestScope(merchant_id, customer or None, request.context, now)
        scope, usage = await self._customers.load(scope)
        reading = read_facts(plan, scope)
        _check_cart(plan, reading)
        facts = facts_of(plan, reading.values, scope, usage, self._weights)
        context = offer_context_of(plan, scope, facts.values)
        reason = await self._reason(plan, offer_id, context, facts, typed)
        amount = discount(plan.offers[offer_id], context.cart)
        code, own = (typed.code, typed.own) if typed is not None else ("", None)
        return OfferQuote(plan, offer_id, context, amount, reason, code, own)

    async def _reason(
        self, plan: Plan, offer_id: str, context: OfferContext, facts: Facts, typed: TypedCode | None
    ) -> str:
        """Return why an offer may not be used; empty where it may."""
        if typed is not None and (typed.reason or typed.own):
            return typed.reason
        state = await self._budgets.load(plan, context)
        limits = await self._budgets.limits(plan, context)
        if typed is not None and limits.get(offer_id) in OF_CODES:
            del limits[offer_id]
        values = facts.values | {UNAVAILABLE: limits | unavailable(plan, context, state._replace(own_holds={}))}
        excluded = limits_for(plan, values, plan.compiled.evaluate(values).fired).excluded
        return next((candidate.reason for candidate in excluded if candidate.id == offer_id), "")

    async def hold(self, quote: OfferQuote, idempotency: Idempotency | None = None) -> Hold:
        """Hold what was quoted; raise `Conflict` where it may not be used."""
        context = quote.context

        async def work(connection: AsyncConnection) -> Hold:
            new = _new_transition(quote)
            return quote.own or await taken(connection, new, now=context.now)

        async def check(connection: AsyncConnection) -> None:
            new = _new_transition(quote)
            if quote.own is None:
                await check_taking(connection, new)

        return await self._holds.once(context.merchant_id, idempotency, work, check=check, now=context.now)

    async def redeem(
        self, merchant_id: int, purchase: Purchase, idempotency: Idempotency | None = None, *, now: int
    ) -> Hold:
        """Redeem a hold for the cart as it is now, and report it to its decision.

        A live hold is honoured whatever became of offer and budget. A cart for which the offer takes off more than is
        held, and a hold whose time ran out, need the budget again: `Conflict` with the new discount where it is spent.
        """

        async def work(connection: AsyncConnection) -> Hold:
            return await self._redeemed(connection, merchant_id, purchase, now)

        async def check(connection: AsyncConnection) -> None:
            hold = await holds.get(connection, merchant_id, purchase.hold_id)
            price = await self._price(connection, hold, purchase, now)
            if price.more is None:
                price.redeem(hold, purchase, now)
            else:
                await check_taking(connection, price.more)

        hold = await self._holds.once(merchant_id, idempotency, work, check=check, now=now)
        if hold.decision_id:
            await self._report(hold, now)
        return hold

    async def _redeemed(self, connection: AsyncConnection, merchant_id: int, purchase: Purchase, now: int) -> Hold:
        hold = await holds.get(connection, merchant_id, purchase.hold_id)
        await holds.lock_order(connection, hold, purchase.order_id)
        hold = await holds.lock(connection, merchant_id, purchase.hold_id)
        price = await self._price(connection, hold, purchase, now)
        if price.more is not None:
            hold = await taken(connection, price.more, now=now)
        transition = price.redeem(hold, purchase, now)
        await holds.apply(connection, transition, now=now)
        return transition.hold

    async def _price(self, connection: AsyncConnection, hold: Hold, purchase: Purchase, now: int) -> Price:
        """Return what a hold is redeemed for; raise `Conflict` where it cannot be, whatever the budgets have left.

        Raise `Invalid` without any total: what a refund returns is a share of it.
        """
        cart = purchase.cart
        if cart.total is None and not hold.cart_total and hold.amount:
            raise invalid("cart/total", "is required, because it was not known when the offer was held")
        if cart.currency not in (None, hold.currency):
            raise Conflict(f"hold “{hold.id}” is in {hold.currency}", field="cart/currency")
        plan = await self._plan_of(connection, hold)
        offer = _offer_of(plan, hold)
        others = await holds.of_order(connection, hold, purchase.order_id)
        # Without a total, the cart is the one that was held for.
        amount = discount(offer, cart) if cart.total is not None else min(discount(offer, cart), hold.amount)
        if others and hold.state in ("live", "expired"):
            await self._refuse_combination(connection, offer, hold, others)
        total = hold.cart_total if cart.total is None else cart.total
        amount = stacking.limited(amount, plan, hold, total, others)
        if hold.state == "expired":
            return Price(amount, total, self._revived(hold, amount, now))
        larger = hold.state == "live" and amount > hold.amount
        return Price(amount, total, ledger.requote(hold, amount=amount, like=hold) if larger else None)

    async def _report(self, hold: Hold, now: int) -> None:
        """Record that a decision's offer was redeemed; a failure is logged, as the redemption itself stands."""
        of_offer = (hold.decision_id, None, "", "redeemed", hold.offer, hold.spent, hold.currency)
        event = OutcomeRow(hold.merchant_id, f"redeemed:{hold.id}", *of_offer, occurred_at=now, recorded_at=now)
        try:
            await self._recorder.outcomes([event])
        except Exception as error:
            log.error("redemption not reported", placement=hold.placement, exc_info=error)

    def _revived(self, hold: Hold, amount: int, now: int) -> Transition:
        """Hold an expired hold again at the price of now, if its offer is still in force."""
        active = self._live.get(hold.merchant_id, hold.placement)
        offer = active.plan.offers.get(hold.offer) if active is not None else None
        reason = window_reason(offer, now) if offer is not None else "is no longer offered"
        if reason or offer is None:
            raise Conflict(f"hold “{hold.id}” expired, and the offer {reason}", field="hold_id")
        expires_at, request = now + offer.hold_minutes * MINUTE, code_request(offer, hold.code)
        return ledger.revive(hold, amount=amount, expires_at=expires_at, code=request)

    async def _refuse_combination(
        self, connection: AsyncConnection, offer: Offer, hold: Hold, others: Sequence[Hold]
    ) -> None:
        """Raise `Conflict` where an offer, or another one on its order, is to be redeemed alone."""
        for other in others:
            plan = await self._plan_of(connection, other)
            if not (offer.stackable and _offer_of(plan, other).stackable):
                raise Conflict(f"“{hold.offer}” cannot be combined with “{other.offer}” on one order", field="order_id")

    async def _plan_of(self, connection: AsyncConnection, hold: Hold) -> PlanDocument:
        """Return the plan by which an offer was shown."""
        active = self._live.get(hold.merchant_id, hold.placement)
        if active is not None and active.plan.version == hold.plan_version:
            return active.plan.document
        key = (hold.merchant_id, hold.placement, hold.plan_version)
        document = self._former_plans.get(key)
        if document is None:
            row = await plans.get(connection, *key)
            if row is None:
                raise NotFound(f"the offer of hold “{hold.id}” is no longer stored", field="hold_id")
            document = msgspec.json.decode(row.document, type=PlanDocument)
            if len(self._former_plans) >= MOST_FORMER_PLANS:
                self._former_plans.pop(next(iter(self._former_plans)))
            self._former_plans[key] = document
        return document


def _check_cart(plan: Plan, reading: Reading) -> None:
    """Raise `Invalid` with what of the cart is no amount or no currency; what is missing is not known."""
    wrong = [note for note in reading.notes if note.field in CART_FACTS and note.kind in UNREADABLE]
    problems = [(problem.field, problem.message) for problem in plan.intake.warnings(wrong)]
    amounts = {name: reading.values.get(name) for name in CART_AMOUNTS}
    negative = (name for name, amount in amounts.items() if isinstance(amount, int | float) and amount < 0)
    problems += [(name, "must be a whole number >= 0") for name in negative]
    if problems:
        raise Invalid(*(FieldProblem(f"context/{name.replace('.', '/')}", text) for name, text in problems))


def _new_transition(quote: OfferQuote) -> Transition:
    """Return the new hold of a quote; raise `Conflict` where the offer may not be used."""
    if quote.reason:
        raise Conflict(f"“{quote.offer_id}” cannot be used: {quote.reason}", field="offer_id")
    new = new_hold(quote.plan, quote.offer_id, quote.context, "")
    return ledger.take(new, code_request(quote.offer, quote.code, exact=bool(quote.code)))


def _no_offer(request: OfferRequest) -> NotFound:
    return NotFound("there is no such offer", field="code" if request.code else "offer_id")


def _offer_of(plan: PlanDocument, hold: Hold) -> Offer:
    offer = offers_of(plan.candidates).get(hold.offer)
    if offer is None:
        raise NotFound(f"the offer of hold “{hold.id}” is no longer stored", field="hold_id")
    return offer


def _find(plan: Plan, request: OfferRequest, now: int) -> str | None:
    """Return the id of the offer that is asked for; of several with a code, one in whose window it is now."""
    id, code = request.offer_id, request.code.strip().lower()
    if not id:
        named = [other for other, offer in plan.offers.items() if code and offer.code.lower() == code]
        return min(named, key=lambda other: window_reason(plan.offers[other], now) != "", default=None)
    return id if id in plan.offers and code in ("", plan.offers[id].code.lower()) else None
