"""Unavailable offers by budgets, periods and the customer's own holds, without a database."""

from __future__ import annotations

import msgspec
import pytest

from engine.kernel.kernel import decide, fall_back
from engine.kernel.offers.availability import (
    BudgetState,
    OfferContext,
    balances_of,
    keys_of,
    unavailable,
    window_reason,
)
from engine.kernel.offers.quote import Cart
from engine.kernel.plan import Plan, PlanDocument
from engine.learning.active import Active
from engine.model.documents.offer import OfferBudget
from engine.model.facts import UNAVAILABLE, Facts
from engine.model.offers.hold import TOTAL, Balance, BalanceKey
from engine.model.placement import Candidate, Fixed, Placement, Subset
from engine.model.timestamps import DAY
from tests.offers import make_hold, make_offer, offer_candidate

PLACEMENT = Placement(key="offers", name="Offers", shape=Subset(3), policy=Fixed())
SPRING = OfferBudget(id="spring", name="Spring", currency="EUR", amount=1_000)
DAILY = OfferBudget(id="daily", name="Daily", currency="EUR", uses=1, period="day")
ONCE = OfferBudget(id="once", name="Once", currency="EUR", uses=1, scope="customer")
NOW = 20_000 * DAY + 5
CUSTOMER = "a-hash"


def plan_of(*candidates: Candidate) -> Plan:
    document = PlanDocument(
        placement=PLACEMENT, candidates=candidates, currency="EUR", budgets=(SPRING, DAILY, ONCE), keeps_order=True
    )
    return Plan(document, version=1)


def context_of(customer: str = CUSTOMER, *, total: int | None = 5_000, currency: str | None = "EUR") -> OfferContext:
    return OfferContext(1, customer, Cart(total, currency), NOW, "EUR")


def state(balances: dict[BalanceKey, Balance] | None = None, **own_holds: int) -> BudgetState:
    """Return balances, and the amounts that the customer holds, by offer."""
    holds = {offer: make_hold(offer, offer=offer, amount=amount) for offer, amount in own_holds.items()}
    return BudgetState(balances or {}, holds)


def test_each_budget_has_a_balance_of_its_period_and_customer():
    plan = plan_of(offer_candidate("x", budgets=("spring", "daily", "once")))
    keys = balances_of(plan, plan.offers["x"], context_of())
    assert keys == (
        BalanceKey(1, "spring", TOTAL, ""),
        BalanceKey(1, "daily", 20_000, ""),
        BalanceKey(1, "once", TOTAL, CUSTOMER),
    )
    assert tuple(keys_of(plan, context_of()).values()) == keys


@pytest.mark.parametrize(
    ("budget", "balance", "is_available"),
    [
        ("spring", Balance(held=500), True),
        ("spring", Balance(held=300, spent=201), False),
        ("spring", Balance(spent_uses=10**6), True),
        ("daily", Balance(held_uses=1), False),
        ("daily", Balance(spent=10**9), True),
        ("once", Balance(spent_uses=1), False),
    ],
)
def test_an_offer_needs_room_in_every_budget(budget: str, balance: Balance, is_available: bool):
    plan = plan_of(offer_candidate("x", budgets=("spring", "daily", "once")))
    key = keys_of(plan, context_of())[budget]
    reasons = unavailable(plan, context_of(), state({key: balance}))
    assert reasons == ({} if is_available else {"x": f"budget “{budget}” has too little left"})


def test_daily_budget_starts_at_zero():
    plan = plan_of(offer_candidate("x", budgets=("spring", "daily")))
    spent = {BalanceKey(1, "daily", 20_000, ""): Balance(spent_uses=1)}
    tomorrow = context_of()._replace(now=NOW + DAY)
    assert unavailable(plan, context_of(), state(spent)) != {}
    assert unavailable(plan, tomorrow, state(spent)) == {}


def test_own_hold_covers_its_amount():
    plan = plan_of(offer_candidate("x", budgets=("spring",)))
    spent = {BalanceKey(1, "spring", TOTAL, ""): Balance(held=900)}
    assert unavailable(plan, context_of(total=4_000), state(spent, x=400)) == {}
    assert unavailable(plan, context_of(total=5_000), state(spent, x=400)) == {}
    assert unavailable(plan, context_of(total=9_000), state(spent, x=400)) != {}


def test_an_own_hold_of_a_budget_that_left_the_plan_does_not_grow():
    plan = plan_of(offer_candidate("x"))
    held = make_hold("x", offer="x", amount=400, balances=(BalanceKey(1, "gone", TOTAL, ""),))
    assert unavailable(plan, context_of(total=4_000), BudgetState({}, {"x": held})) == {}
    assert unavailable(plan, context_of(total=5_000), BudgetState({}, {"x": held})) != {}


def test_an_unknown_cart_needs_room_for_the_worst_case():
    plan = plan_of(offer_candidate("x"))
    assert unavailable(plan, context_of(total=None), state()) != {}
    assert unavailable(plan, context_of(total=10_000), state()) == {}


def test_a_cart_without_a_currency_is_in_the_merchants_own():
    euros, dollars = offer_candidate("euros"), offer_candidate("dollars", currency="USD")
    plan = plan_of(euros, dollars)
    assert unavailable(plan, context_of(currency=None), state()) == {"dollars": "is a discount in USD"}
    assert unavailable(plan, context_of(currency="USD"), state()) == {"euros": "is a discount in EUR"}


def test_a_window_includes_its_beginning_and_not_its_end():
    offer = make_offer(starts_at="2026-11-01T00:00:00Z", ends_at="2026-11-02T00:00:00+01:00")
    begin, end = 1_793_491_200_000, 1_793_574_000_000
    assert [bool(window_reason(offer, now)) for now in (begin - 1, begin, end - 1, end)] == [True, False, False, True]


# In decisions


def decision_of(plan: Plan, values: dict[str, object]):
    return decide(plan, Active(plan).flat, Facts(values), "dec_1", expires_at="-")


def test_unavailable_candidate_is_excluded_with_its_reason():
    plan = plan_of(offer_candidate("first"), offer_candidate("second", position=1))
    decision = decision_of(plan, {UNAVAILABLE: {"first": "spent", "gone": "spent"}})
    assert [ranked.id for ranked in decision.ranking] == ["second"]
    assert [(each.id, each.reason) for each in decision.excluded] == [("first", "spent")]


def test_reason_of_the_catalogue_is_first():
    limited = msgspec.structs.replace(offer_candidate("first"), countries=("DE",))
    decision = decision_of(plan_of(limited), {"geo.country": "FR", UNAVAILABLE: {"first": "spent"}})
    assert [each.reason for each in decision.excluded] == ["not offered in FR"]


@pytest.mark.parametrize("value", ["first", ["first"], 1, None, True])
def test_a_fact_of_another_type_excludes_nothing(value: object):
    assert decision_of(plan_of(offer_candidate("first")), {UNAVAILABLE: value}).excluded == []


def test_fallback_excludes_unavailable_candidates():
    plan = plan_of(offer_candidate("first"), Candidate(id="none", label="No offer", position=1))
    decision = fall_back(plan, Facts({UNAVAILABLE: {"first": "failed"}}), "dec_1", expires_at="-")
    assert [ranked.id for ranked in decision.ranking] == ["none"]
