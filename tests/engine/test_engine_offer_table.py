"""Availability of many offers at once: the same answer, byte for byte, as offer by offer. No database."""

from __future__ import annotations

from math import inf

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.kernel.offers.availability import (
    BudgetState,
    OfferContext,
    balances_of,
    too_little,
    unavailable,
    window_reason,
)
from engine.kernel.offers.quote import Cart, discount
from engine.kernel.plan import Plan, PlanDocument
from engine.model.documents.offer import FixedAmount, FreeShipping, Offer, OfferBudget, Percentage
from engine.model.offers.hold import TOTAL, Balance, BalanceKey, leaves_room
from engine.model.placement import Candidate, Placement
from engine.model.timestamps import DAY
from tests.offers import make_hold, make_offer

NOW = 1_793_491_200_000  # 2026-11-01
KINDS = tuple((period, scope) for period in ("total", "day") for scope in ("everybody", "customer"))
amounts = st.integers(1, 2_000) | st.sampled_from([1, 10**9])
totals = st.none() | st.integers(-5, 30_000) | st.sampled_from([0, 10**13 - 1, 2**53, 2**70])
currencies = st.sampled_from(["EUR", "USD"])
windows = st.none() | st.sampled_from(["2026-10-31T23:59:59Z", "2026-11-01T01:00:00+01:00", "2026-11-01T00:00:00.001Z"])
offers = st.builds(
    make_offer,
    currency=currencies,
    benefit=st.builds(Percentage, st.integers(1, 10_000).map(lambda share: share / 100), amounts)
    | st.builds(FixedAmount, amounts)
    | st.builds(FreeShipping, amounts),
    budgets=st.lists(st.sampled_from(["-".join(kind) for kind in KINDS]), min_size=1, unique=True).map(tuple),
    starts_at=windows,
    ends_at=windows,
)
askings = st.builds(
    OfferContext,
    merchant_id=st.just(1),
    customer=st.sampled_from(["", "a-hash"]),
    cart=st.builds(Cart, total=totals, currency=st.none() | st.just("GBP") | currencies, shipping=totals),
    now=st.sampled_from([NOW - 1, NOW, NOW + 1]),
    currency=st.none() | currencies,
)
budgets = st.tuples(
    *(
        st.builds(
            OfferBudget,
            id=st.just("-".join((period, scope))),
            name=st.just("-"),
            currency=st.just("EUR"),
            amount=st.none() | st.integers(0, 4_000),
            uses=st.none() | st.integers(0, 3),
            period=st.just(period),
            scope=st.just(scope),
        )
        for period, scope in KINDS
    )
)
balances = st.builds(Balance, *[st.integers(0, 2_000)] * 2, *[st.integers(0, 2)] * 2)


def plan_of(all_offers: list[Offer], all_budgets: tuple[OfferBudget, ...] = ()) -> Plan:
    candidates = [Candidate(id=f"o{number}", label="-", offer=offer) for number, offer in enumerate(all_offers)]
    candidates.append(Candidate(id="none", label="No offer"))
    placement = Placement(key="offers", name="Offers")
    return Plan(PlanDocument(placement=placement, candidates=tuple(candidates), budgets=all_budgets), version=1)


@st.composite
def states(draw: st.DrawFn) -> BudgetState:
    keys = [
        BalanceKey(1, "-".join(kind), period, customer)
        for kind in KINDS
        for period in (TOTAL, NOW // DAY)
        for customer in ("", "a-hash")
    ]
    own = draw(st.dictionaries(st.sampled_from(["o0", "o1", "o4", "gone"]), st.integers(1, 500), max_size=2))
    holds = {id: make_hold(id, offer=id, amount=amount, balances=tuple(keys[2:5])) for id, amount in own.items()}
    return BudgetState(draw(st.dictionaries(st.sampled_from(keys), balances)), holds)


def offer_by_offer(plan: Plan, context: OfferContext, state: BudgetState) -> dict[str, str]:
    """Return what is unavailable, by a plain loop."""
    reasons = {id: reason_of(plan, id, context, state) for id in plan.offers}
    return {id: reason for id, reason in reasons.items() if reason}


def reason_of(plan: Plan, id: str, context: OfferContext, state: BudgetState) -> str:
    offer = plan.offers[id]
    amount = discount(offer, context.cart)
    if reason := window_reason(offer, context.now):
        return reason
    if (context.cart.currency or context.currency) not in (None, offer.currency):
        return f"is a discount in {offer.currency}"
    if not amount:
        return "takes nothing off this cart"
    if id in state.own_holds:
        return own_reason(plan, id, amount, state)
    for budget, key in zip(offer.budgets, balances_of(plan, offer, context), strict=True):
        if plan.budgets[budget].scope == "customer" and not context.customer:
            return f"budget “{budget}” needs a known customer"
        if amount > room(plan, key, state):
            return too_little(budget)
    return ""


def own_reason(plan: Plan, id: str, amount: int, state: BudgetState) -> str:
    own = state.own_holds[id]
    for key in own.balances if amount > own.amount else ():
        if not leaves_room(plan.budgets[key.budget], state.balances.get(key, Balance()), amount - own.amount, 0):
            return too_little(key.budget)
    return ""


def room(plan: Plan, key: BalanceKey, state: BudgetState) -> float:
    budget, balance = plan.budgets[key.budget], state.balances.get(key, Balance())
    if not leaves_room(budget, balance, 0, 1):
        return -1
    return inf if budget.amount is None else budget.amount - balance.held - balance.spent


@given(st.lists(offers, max_size=8), budgets, st.lists(askings, min_size=1, max_size=2), states())
def test_many_offers_at_once_get_the_reasons_of_each(
    all_offers: list[Offer], all_budgets: tuple[OfferBudget, ...], contexts: list[OfferContext], state: BudgetState
):
    plan = plan_of(all_offers, all_budgets)
    for context in contexts:
        at_once = unavailable(plan, context, state)
        assert msgspec.json.encode(at_once) == msgspec.json.encode(offer_by_offer(plan, context, state))


@given(st.lists(offers, max_size=8), st.lists(st.builds(Cart, total=totals, shipping=totals), min_size=1, max_size=2))
def test_amounts_are_those_of_a_single_quote(all_offers: list[Offer], carts: list[Cart]):
    plan = plan_of(all_offers, tuple(OfferBudget(id="-".join(kind), name="-", currency="EUR") for kind in KINDS))
    for cart in carts:
        assert plan.offer_table.amounts(cart).tolist() == [discount(offer, cart) for offer in all_offers]
