"""Read budgets and the customer's holds for a decision about offers, and take its holds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.batch_loader import BatchLoader
from engine.intake.context import Reading
from engine.kernel.offers import ledger
from engine.kernel.offers.availability import (
    CODES_USED_UP,
    NEEDS_CUSTOMER,
    OWN_CODE_USED,
    BudgetState,
    OfferContext,
    balances_of,
    cooling_down,
    keys_of,
    unavailable,
)
from engine.kernel.offers.ledger import Transition
from engine.kernel.offers.quote import discount
from engine.kernel.offers.worth import Prices, worthless
from engine.kernel.plan import Plan
from engine.model.decision import Decision
from engine.model.documents.offer import Offer
from engine.model.offers.code import CodeRequest
from engine.model.offers.hold import BalanceKey, Hold, HoldOwner
from engine.model.timestamps import MINUTE, moment_of, rfc3339
from engine.store import decisions
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.offers import balances, codes, holds


class OfferInput(NamedTuple):
    """The facts of a request, the budgets of a moment, and offers that are left out, with reasons.

    `limits` hold unless the customer has the offer already; `refused` are those that could not be held since.
    """

    reading: Reading
    context: OfferContext
    state: BudgetState
    limits: Mapping[str, str] = {}
    refused: Mapping[str, str] = {}

    def unavailable(self, plan: Plan, prices: Prices) -> dict[str, str]:
        """Return the offers that cannot be had, or are not worth it at the prices of budgets, each with its reason."""
        limits = {id: reason for id, reason in self.limits.items() if id not in self.state.own_holds}
        reasons = worthless(plan, self.context.cart, prices)
        return reasons | limits | unavailable(plan, self.context, self.state) | dict(self.refused)


class BudgetQuestion(NamedTuple):
    """The customer whose holds are read, the time (epoch ms), and the balances."""

    owner: HoldOwner
    now: int
    keys: tuple[BalanceKey, ...]


class BudgetReader:
    """Read balances and holds in batches: one query serves all requests made while the previous one ran."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loader: BatchLoader[BudgetQuestion, BudgetState] = BatchLoader(
            database, _states, partial(BudgetState, {}, {})
        )

    def load(self, plan: Plan, context: OfferContext) -> asyncio.Future[BudgetState]:
        """Return a future of the state that decides the availability of the plan's offers."""
        owner = HoldOwner(context.merchant_id, context.customer, plan.placement.key)
        return self._loader.load(BudgetQuestion(owner, context.now, tuple(keys_of(plan, context).values())))

    async def limits(self, plan: Plan, context: OfferContext) -> dict[str, str]:
        """Return the offers that codes and cooldowns leave out for this customer, each with its reason."""
        table = plan.offer_table
        if not (table.pools or table.own_codes or table.cooldowns):
            return {}

        async def work(connection: AsyncConnection) -> dict[str, str]:
            reasons = await _cooling_down(connection, plan, context)
            return await _without_codes(connection, plan, context) | reasons

        return await self._database.look_up(work)

    async def same_answer(self, plan: Plan, context: OfferContext, state: BudgetState) -> DecisionRow | None:
        """Return the recent decision for this cart whose offers the customer still holds, if there is one."""
        newest = max((hold.decision_id for hold in state.own_holds.values()), default="")
        own = [hold for hold in state.own_holds.values() if hold.decision_id == newest]
        longest = plan.placement.order_limits.same_answer_minutes * MINUTE
        if not newest or context.now - moment_of(newest) >= longest:
            return None
        if any(hold.plan_version != plan.version or hold.cart_total != (context.cart.total or 0) for hold in own):
            return None

        async def work(connection: AsyncConnection) -> DecisionRow | None:
            return await decisions.find(connection, context.merchant_id, newest)

        return await self._database.look_up(work)


async def _states(
    connection: AsyncConnection, questions: Sequence[BudgetQuestion]
) -> dict[BudgetQuestion, BudgetState]:
    """Return the states of many questions, which share the balances."""
    live = await holds.live_of(connection, (question.owner for question in questions if question.owner.customer))
    own = {
        question: {hold.offer: hold for hold in live.get(question.owner, ()) if hold.expires_at > question.now}
        for question in questions
    }
    keys = {key for question in questions for key in question.keys}
    keys |= {key for held in own.values() for hold in held.values() for key in hold.balances}
    read = await balances.read(connection, sorted(keys))
    return {question: BudgetState(read, held) for question, held in own.items()}


async def _without_codes(connection: AsyncConnection, plan: Plan, context: OfferContext) -> dict[str, str]:
    """Return the offers that have no code for a customer, each with its reason."""
    (merchant_id, customer, *_), placement = context, plan.placement.key
    pools, own = plan.offer_table.pools, plan.offer_table.own_codes
    empty = await codes.without_free(connection, merchant_id, placement, pools) if pools else ()
    reasons = dict.fromkeys(empty, CODES_USED_UP)
    if not customer:
        return reasons | dict.fromkeys(own, NEEDS_CUSTOMER)
    used = await codes.used_by(connection, merchant_id, placement, customer) if own else ()
    return reasons | dict.fromkeys(used, OWN_CODE_USED)


async def _cooling_down(connection: AsyncConnection, plan: Plan, context: OfferContext) -> dict[str, str]:
    """Return the offers that a customer redeemed too short a time ago, each with its reason."""
    cooldowns = plan.offer_table.cooldowns
    if not context.customer or not cooldowns:
        return dict.fromkeys(cooldowns, NEEDS_CUSTOMER)
    since = context.now - max(cooldowns.values())
    redeemed = await holds.last_redeemed(
        connection, context.merchant_id, plan.placement.key, context.customer, since=since
    )
    ends = {id: redeemed[id] + length for id, length in cooldowns.items() if id in redeemed}
    return {id: cooling_down(rfc3339(end)) for id, end in ends.items() if end > context.now}


def transitions_of(plan: Plan, decision: Decision, context: OfferContext, state: BudgetState) -> list[Transition]:
    """Return the holds that an answer takes, in its order; keep the customer's existing holds."""
    transitions = []
    for ranked in decision.ranking:
        # A candidate without an offer means "no offer" and costs nothing.
        if ranked.id in plan.offers:
            own, new = state.own_holds.get(ranked.id), new_hold(plan, ranked.id, context, decision.decision_id)
            request = code_request(plan.offers[ranked.id])
            if own is None:
                transitions.append(ledger.take(new, request))
            else:
                requoted = ledger.requote(own, amount=new.amount, like=new)
                transitions.append(requoted if own.code else requoted._replace(code=request))
    return transitions


def code_request(offer: Offer, code: str = "", *, exact: bool = False) -> CodeRequest | None:
    """Return the request for a code of an offer; None where it has none, or one for everybody."""
    return None if offer.codes == "fixed" else CodeRequest(offer.codes, code, exact)


def new_hold(plan: Plan, id: str, context: OfferContext, decision_id: str) -> Hold:
    """Return a new hold of an offer for a cart, before it is taken."""
    offer = plan.offers[id]
    return Hold(
        id=hold_id(context.now),
        merchant_id=context.merchant_id,
        placement=plan.placement.key,
        offer=id,
        plan_version=plan.version,
        decision_id=decision_id,
        customer=context.customer,
        currency=offer.currency,
        amount=discount(offer, context.cart),
        cart_total=context.cart.total or 0,
        balances=balances_of(plan, offer, context),
        created_at=context.now,
        expires_at=context.now + offer.hold_minutes * MINUTE,
    )


def holds_of(plan: Plan, decision: Decision, own: Mapping[str, Hold]) -> Sequence[Hold] | None:
    """Return the holds of a logged answer, in its order; None if one of them is no longer live."""
    held = [own.get(ranked.id) for ranked in decision.ranking if ranked.id in plan.offers]
    live_holds = [hold for hold in held if hold is not None and hold.decision_id == decision.decision_id]
    return live_holds if len(live_holds) == len(held) else None


def hold_id(now: int) -> str:
    """Return a new id, time-ordered: `hold_`, 12 hex digits of epoch milliseconds, 20 of chance."""
    return f"hold_{now:012x}{os.urandom(10).hex()}"
