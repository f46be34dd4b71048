"""The value of offers, and the effect of the prices of paced budgets."""

from __future__ import annotations

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions.replay import replay
from engine.kernel.bounds import Bounds
from engine.kernel.kernel import limits_for, value_weights
from engine.kernel.offers.quote import Cart
from engine.kernel.offers.worth import AT_NO_PRICE, AT_THIS_PRICE, offer_weights, values_of, worthless
from engine.kernel.plan import Plan, PlanDocument
from engine.model.documents.offer import FixedAmount, OfferBudget, Pacing
from engine.model.errors import Invalid
from engine.model.placement import Candidate, Contextual, Fixed, Placement, Subset, Thompson
from engine.model.timestamps import DAY, MINUTE, rfc3339
from engine.store import decisions
from tests.offers import decide_offers, exclusion_reasons, offer_candidate, open_offers, shown_offers

pytestmark = pytest.mark.anyio

SPRING = OfferBudget(id="spring", name="Spring", currency="EUR", amount=10_000)
CART = Cart(10_000, "EUR")


def plan_of(*candidates: Candidate, **changes) -> Plan:
    values = {"policy": Thompson(), "shape": Subset(3), "reward": "selected", "margin_percent": 30.0} | changes
    placement = Placement(key="offers", name="Offers", **values)
    document = PlanDocument(placement=placement, candidates=candidates, budgets=(SPRING,), weighs_offers=True)
    return Plan(document, version=1)


def off(id: str, amount: int, **changes) -> Candidate:
    return msgspec.structs.replace(offer_candidate(id, benefit=FixedAmount(amount)), **changes)


def test_value_of_an_order_is_margin_minus_fee_and_discount():
    plan = plan_of(off("five", 500, fee_percent=2.0, fee_fixed=30, position=1), Candidate(id="none", label="No offer"))
    assert values_of(plan, CART, {}, (0, 1)).tolist() == [3_000.0, 3_000 - 230 - 500]


def test_the_price_of_its_budgets_multiplies_what_an_offer_costs():
    plan = plan_of(off("five", 500))
    assert values_of(plan, CART, {"spring": 2.0}, (0,)).tolist() == [3_000 - 3 * 500]
    assert values_of(plan, CART, {"another": 2.0}, (0,)).tolist() == [3_000 - 500]


def test_unknown_cart_counts_as_typical():
    plan = plan_of(off("five", 500), typical_amount=4_000)
    assert values_of(plan, Cart(), {}, (0,)).tolist() == [1_200 - 500]


def test_offer_with_a_loss_ranks_below_no_offer():
    plan = plan_of(off("five", 500), off("forty", 4_000, position=1), off("twenty", 2_000, position=2))
    assert worthless(plan, CART, {}) == {"forty": AT_NO_PRICE}
    assert worthless(plan, CART, {"spring": 1.0}) == {"forty": AT_NO_PRICE, "twenty": AT_THIS_PRICE}
    assert worthless(plan, Cart(), {"spring": 1.0}) == {}


@pytest.mark.parametrize("changes", [{"policy": Fixed()}, {"reward": "revenue"}, {"goal": "minimise"}])
def test_other_placements_ignore_the_cost_of_offers(changes):
    plan = plan_of(off("forty", 4_000), **changes)
    assert not plan.weighs_offers
    assert worthless(plan, CART, {}) == {}


@pytest.mark.parametrize("policy", [Thompson(), Contextual()])
def test_draws_are_weighted_by_the_value_of_offers(policy):
    plan = plan_of(off("five", 500), off("ten", 1_000, position=1), policy=policy)
    values = {"cart.total": 10_000}
    limits = limits_for(plan, values, ())
    assert value_weights(plan, values, limits).tolist() == [[2_500.0, 2_000.0]]
    assert value_weights(plan, values, limits, prices={"spring": 1.0}).tolist() == [[2_000.0, 1_000.0]]


def test_a_boost_helps_also_an_offer_that_loses_money():
    plan = plan_of(off("five", 500), off("forty", 4_000, position=1))
    bounds = Bounds({}, {}, {0: 2.0, 1: 2.0, 7: 2.0}, {}, {}, [])
    assert offer_weights(bounds, values_of(plan, CART, {}, (0, 1)), (0, 1)).tolist() == [[5_000.0, -500.0]]


# Paced budgets


def pacing(begin: int, end: int) -> Pacing:
    return Pacing(starts_at=rfc3339(begin), ends_at=rfc3339(end))


@pytest.fixture
async def shop(empty_shop):
    """A shop with a paced budget of ten days, half a day after its beginning."""
    begin = now_ms() - DAY // 2
    await open_offers(empty_shop, offer_candidate(), amount=100_000, pacing=pacing(begin, begin + 10 * DAY))
    stored = await empty_shop.engine.catalogue.get(empty_shop.id, "placement", "", "offers")
    learning = msgspec.structs.replace(stored.document, policy=Thompson(), reward="selected")
    await empty_shop.engine.catalogue.update(empty_shop.actor(), "placement", "", "offers", learning, version=None)
    return empty_shop


def price(shop) -> float:
    return shop.engine.live.get(shop.id, "offers").prices["spring"].price


async def paced_at(shop, monkeypatch, now: int) -> None:
    monkeypatch.setattr("engine.learning.live.now_ms", lambda: now)
    await shop.engine.live.pace()


async def test_fast_spending_raises_the_price_until_no_offer_is_shown(shop, monkeypatch):
    await shop.engine.live.pace()
    first, now = price(shop), now_ms()
    for number in range(60):
        await decide_offers(shop, f"customer {number}")
    await paced_at(shop, monkeypatch, now + 10 * MINUTE)
    assert price(shop) > 1.5 * first
    monkeypatch.setattr("engine.learning.active.Active.budget_prices", {"spring": 9.0})
    held = await decide_offers(shop, "late")
    assert (shown_offers(held), exclusion_reasons(held)) == ([], {"ten-percent": AT_THIS_PRICE})


async def test_a_budget_that_is_not_spent_gets_cheaper(shop, monkeypatch):
    await shop.engine.live.pace()
    first = price(shop)
    await paced_at(shop, monkeypatch, now_ms() + DAY)
    assert price(shop) < first


async def test_decisions_replay_after_prices_moved_on(shop, monkeypatch):
    await shop.engine.live.pace()
    held = await decide_offers(shop, "anna")
    await paced_at(shop, monkeypatch, now_ms() + DAY)
    assert shop.engine.live.get(shop.id, "offers").version > held.answer.decision.beliefs_version > 0
    async with shop.engine.database.read() as connection:
        row = await decisions.find(connection, shop.id, held.answer.decision.decision_id)
    assert (await replay(shop.engine.database, row)).same


async def test_new_beliefs_keep_the_prices(shop):
    await shop.engine.live.pace()
    held = await decide_offers(shop, "anna")
    await shop.report(held.answer, "redeemed", "ten-percent")
    await shop.engine.live.refresh(at_once=True)
    active = shop.engine.live.get(shop.id, "offers")
    assert active.beliefs_for("").prices == {"spring": price(shop)}


async def test_a_budget_has_no_price_before_and_after_its_time(shop, monkeypatch):
    await shop.engine.live.pace()
    assert price(shop) > 0
    await paced_at(shop, monkeypatch, now_ms() + 20 * DAY)
    assert shop.engine.live.get(shop.id, "offers").prices == {}


@pytest.mark.parametrize("changes", [{"scope": "customer"}, {"amount": None, "uses": 5}])
async def test_only_an_amount_for_everybody_can_be_paced(shop, changes):
    values = {"amount": 1_000, "pacing": pacing(0, DAY)} | changes
    with pytest.raises(Invalid) as refusal:
        await shop.create("budget", OfferBudget(id="odd", name="Odd", currency="EUR", **values))
    assert [problem.field for problem in refusal.value.problems] == ["pacing"]


async def test_pacing_must_end_after_it_begins(shop):
    budget = OfferBudget(id="odd", name="Odd", currency="EUR", amount=1_000, pacing=pacing(DAY, DAY))
    with pytest.raises(Invalid, match="nothing to spread"):
        await shop.create("budget", budget)
