"""Offers: what they take off, who is shown which, what showing one holds, and what redeeming one spends."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import now_ms
from engine.decisions import recorder
from engine.decisions.replay import replay
from engine.kernel.offers import ledger
from engine.kernel.offers.quote import Cart, discount
from engine.model.documents.offer import FixedAmount, FreeShipping, OfferBudget, OfferText, Percentage
from engine.model.errors import Conflict, Invalid, ReviewRequired
from engine.model.facts import UNAVAILABLE
from engine.model.offers.hold import Balance
from engine.model.placement import Candidate, Holdback
from engine.model.timestamps import MINUTE, rfc3339
from engine.store import decisions
from engine.store.offers import balances, holds
from tests.factories import rule
from tests.marks import SQLITE_FIRST
from tests.offers import (
    balance,
    decide_offers,
    exclusion_reasons,
    is_verified,
    make_offer,
    offer_candidate,
    open_offers,
    redeem,
    shown_offers,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(empty_shop):
    return empty_shop


# Discounts


@pytest.mark.parametrize(
    ("benefit", "cart", "amount"),
    [
        (Percentage(percent=10, maximum=2_000), Cart(total=9_999), 999),
        (Percentage(percent=10, maximum=2_000), Cart(total=90_000), 2_000),
        (Percentage(percent=33.33, maximum=2_000), Cart(), 2_000),
        (FixedAmount(amount=500), Cart(total=300), 300),
        (FixedAmount(amount=500), Cart(), 500),
        (FreeShipping(maximum=600), Cart(total=10, shipping=490), 490),
        (FreeShipping(maximum=600), Cart(total=10, shipping=700), 600),
        (FreeShipping(maximum=600), Cart(total=10), 600),
    ],
)
def test_each_benefit_reduces_the_total(benefit, cart, amount):
    assert discount(make_offer(benefit=benefit), cart) == amount


@given(st.integers(1, 10_000), st.integers(1, 10**9), st.integers(-10, 10**12), st.integers(-10, 10**12))
def test_no_discount_exceeds_the_cart_or_the_maximum(percent, most, total, shipping):
    cart = Cart(total, "EUR", shipping)
    for benefit in (Percentage(percent / 100, most), FixedAmount(most), FreeShipping(most)):
        amount = discount(make_offer(benefit=benefit), cart)
        limit = shipping if isinstance(benefit, FreeShipping) else total
        assert 0 <= amount <= max(0, min(most, limit))


# What may be saved


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"texts": {"en": OfferText(title=" ")}}, "offer/texts/en/title"),
        ({"budgets": ("spring", "none")}, "offer/budgets/1"),
        ({"budgets": ("spring", "spring")}, "offer/budgets"),
        ({"currency": "USD"}, "offer/budgets/0"),
        ({"currency": "XXQ"}, "offer/currency"),
        ({"benefit": Percentage(percent=1.234, maximum=5)}, "offer/benefit/percent"),
        ({"starts_at": "2026-11-02T00:00:00Z", "ends_at": "2026-11-01T00:00:00Z"}, "offer/ends_at"),
        ({"starts_at": "2026-02-30T00:00:00Z"}, "offer/starts_at"),
        ({"starts_at": "2026-11-01T00:00:00Z", "ends_at": "5397-75-73T17:67:59+10:88"}, "offer/ends_at"),
    ],
)
async def test_invalid_offer_names_its_field(shop, changes, field):
    await open_offers(shop)
    with pytest.raises(Invalid) as refusal:
        await shop.create("candidate", offer_candidate("odd", **changes), placement="offers")
    assert field in [problem.field for problem in refusal.value.problems]


async def test_an_offer_needs_a_budget_with_an_amount(shop):
    await shop.create("budget", OfferBudget(id="once", name="Once", currency="EUR", uses=1, scope="customer"))
    await open_offers(shop)
    with pytest.raises(Invalid, match="could cost any sum"):
        await shop.create("candidate", offer_candidate("odd", budgets=("once",)), placement="offers")


async def test_budget_keeps_its_scope(shop):
    await open_offers(shop)
    with pytest.raises(Invalid, match="nothing is capped"):
        await shop.create("budget", OfferBudget(id="empty", name="Empty", currency="EUR"))
    other = OfferBudget(id="spring", name="Spring", currency="EUR", amount=5, period="day")
    with pytest.raises(Invalid, match="cannot change"):
        await shop.engine.catalogue.update(shop.actor(), "budget", "", "spring", other, version=None)


async def test_budget_of_an_offer_cannot_be_deleted(shop):
    await open_offers(shop)
    with pytest.raises(Invalid, match="there is no budget"):
        await shop.engine.catalogue.delete(shop.actor(), "budget", "", "spring", version=None)


async def test_used_budget_cannot_be_deleted(shop):
    await open_offers(shop)
    await decide_offers(shop)
    for kind, placement_key, id in (("candidate", "offers", "ten-percent"), ("budget", "", "spring")):
        delete = shop.engine.catalogue.delete(shop.actor(), kind, placement_key, id, version=None)
        if kind == "candidate":
            await delete
        else:
            with pytest.raises(Conflict, match="its ledger stays"):
                await delete


async def test_raising_a_cap_needs_a_second_person_under_review(shop):
    await open_offers(shop)
    await shop.engine.accounts.set_review(shop.merchant, on=True, actor_name="tester")
    with pytest.raises(ReviewRequired):
        await shop.engine.catalogue.update(
            shop.actor(),
            "budget",
            "",
            "spring",
            OfferBudget(id="spring", name="Spring", currency="EUR", amount=10**6),
            version=None,
        )


# Showing


async def test_an_offer_that_is_shown_is_held_with_its_decision(shop):
    await open_offers(shop)
    held = await decide_offers(shop)
    [hold] = held.holds
    assert (hold.offer, hold.amount, hold.decision_id) == ("ten-percent", 1_000, held.answer.decision.decision_id)
    assert hold.expires_at - hold.created_at == 15 * MINUTE
    assert await balance(shop) == Balance(held=1_000, held_uses=1)
    assert await is_verified(shop)


async def test_reading_offers_creates_no_hold(shop):
    await open_offers(shop)
    answer = await shop.decide(placement="offers", cart_total=10_000)
    assert [ranked.id for ranked in answer.decision.ranking] == ["ten-percent"]
    assert await balance(shop) == Balance()


async def test_spent_budget_excludes_its_offer_with_a_reason(shop):
    await open_offers(shop, amount=1_500)
    assert shown_offers(await decide_offers(shop)) == ["ten-percent"]
    second = await decide_offers(shop)
    assert (shown_offers(second), second.holds) == ([], [])
    assert exclusion_reasons(second) == {"ten-percent": "budget “spring” has too little left"}
    assert not second.answer.decision.fallback


async def test_an_offer_in_another_window_or_currency_is_not_shown(shop):
    later, past = (rfc3339(now_ms() + sign * 60 * MINUTE) for sign in (1, -1))
    await open_offers(
        shop,
        offer_candidate("early", starts_at=later, position=1),
        offer_candidate("late", ends_at=past, position=2),
        offer_candidate("nothing", benefit=FreeShipping(maximum=5), position=3),
    )
    answer = await shop.engine.decider.decide_offers(
        shop.id, "offers", None, {"cart": {"currency": "USD", "total": 10_000}}
    )
    texts = exclusion_reasons(answer)
    assert texts["early"].startswith("starts at")
    assert texts["late"].startswith("ended at")
    assert texts["nothing"] == "is a discount in EUR"
    assert shown_offers(answer) == []


async def test_offer_without_a_benefit_is_not_shown(shop):
    await open_offers(shop)
    assert exclusion_reasons(await decide_offers(shop, total=5)) == {"ten-percent": "takes nothing off this cart"}


async def test_rules_target_offers(shop):
    await open_offers(shop, offer_candidate("first"), offer_candidate("second", position=1))
    await shop.create("rule", rule({"exclude": ["first"]}), placement="offers")
    assert shown_offers(await decide_offers(shop)) == ["second"]


async def test_a_budget_for_each_customer_is_not_shared(shop):
    await shop.create("budget", OfferBudget(id="once", name="Once", currency="EUR", uses=1, scope="customer"))
    await open_offers(shop, offer_candidate(budgets=("spring", "once")))
    assert (
        shown_offers(await decide_offers(shop, "anna"))
        == shown_offers(await decide_offers(shop, "ben"))
        == ["ten-percent"]
    )
    assert exclusion_reasons(await decide_offers(shop)) == {"ten-percent": "budget “once” needs a known customer"}
    [hold] = (await decide_offers(shop, "anna")).holds
    await redeem(shop, hold.id)
    assert exclusion_reasons(await decide_offers(shop, "anna")) == {"ten-percent": "budget “once” has too little left"}


async def test_the_same_cart_gets_the_same_offers_without_another_hold(shop):
    await open_offers(shop, offer_candidate("first"), offer_candidate("second", position=1))
    first, again = await decide_offers(shop, "anna"), await decide_offers(shop, "anna")
    assert again.answer.body == first.answer.body
    assert [hold.id for hold in again.holds] == [hold.id for hold in first.holds]
    assert await balance(shop) == Balance(held=2_000, held_uses=2)


async def test_a_changed_cart_keeps_the_hold_and_only_adds_to_it(shop):
    await open_offers(shop)
    [first] = (await decide_offers(shop, "anna", total=10_000)).holds
    [larger] = (await decide_offers(shop, "anna", total=15_000)).holds
    [smaller] = (await decide_offers(shop, "anna", total=2_000)).holds
    assert first.id == larger.id == smaller.id
    assert [hold.amount for hold in (first, larger, smaller)] == [1_000, 1_500, 1_500]
    assert await balance(shop) == Balance(held=1_500, held_uses=1)
    assert await is_verified(shop)


async def test_offer_refused_late_is_replaced_by_the_next(shop, monkeypatch):
    await shop.create("budget", OfferBudget(id="autumn", name="Autumn", currency="EUR", amount=10_000))
    await open_offers(
        shop, offer_candidate("first"), offer_candidate("second", position=1, budgets=("autumn",)), amount=1_000
    )
    unlimited = shop.engine.decider._budgets.load

    async def stale(plan, context):
        state = await unlimited(plan, context)
        return state._replace(balances={})

    monkeypatch.setattr(shop.engine.decider._budgets, "load", stale)
    assert shown_offers(await decide_offers(shop)) == ["first", "second"]
    second = await decide_offers(shop)
    assert shown_offers(second) == ["second"]
    assert exclusion_reasons(second) == {"first": "budget “spring” has too little left"}
    assert await is_verified(shop)


async def test_many_at_once_never_exceed_the_cap(shop):
    await open_offers(shop, amount=5_000)
    answers = await asyncio.gather(*(decide_offers(shop) for _ in range(30)))
    assert sum(len(answer.holds) for answer in answers) == 5
    assert not any(answer.answer.decision.fallback for answer in answers)
    assert (await balance(shop)).held == 5_000
    assert await is_verified(shop)


async def test_concurrent_requests_share_look_ups(shop, monkeypatch):
    await open_offers(shop)
    queries, read = [], balances.read

    async def counted(connection, keys):
        queries.append(keys)
        return await read(connection, keys)

    monkeypatch.setattr(balances, "read", counted)
    answers = await asyncio.gather(*(decide_offers(shop, f"customer {number}") for number in range(8)))
    assert all(shown_offers(answer) == ["ten-percent"] for answer in answers)
    assert len(queries) < 4
    assert await is_verified(shop)


async def test_no_offer_is_shown_when_something_fails(shop, monkeypatch):
    await open_offers(shop)

    async def fail(*_arguments, **_named):
        raise RuntimeError("broken")

    monkeypatch.setattr(recorder.holds, "take", fail)
    held = await decide_offers(shop)
    assert held.answer.decision.fallback
    assert (shown_offers(held), held.holds) == ([], ())
    assert exclusion_reasons(held) == {"ten-percent": "no offer is shown when something fails"}


async def test_customers_in_the_holdback_get_no_offer(shop):
    await open_offers(shop)
    stored = await shop.engine.catalogue.get(shop.id, "placement", "", "offers")
    held_back = msgspec.structs.replace(stored.document, holdback=Holdback(share=0.5))
    await shop.engine.catalogue.update(shop.actor(), "placement", "", "offers", held_back, version=None)
    answers = [await decide_offers(shop, f"customer {number}", total=1_000) for number in range(40)]
    counts = [len(answer.holds) for answer in answers]
    assert 5 < counts.count(0) < 35
    assert all(bool(answer.holds) == bool(shown_offers(answer)) for answer in answers)


async def test_candidate_without_an_offer_means_no_offer(shop):
    await open_offers(shop, Candidate(id="none", label="No offer"), limit=1)
    held = await decide_offers(shop)
    assert (shown_offers(held), held.holds) == (["none"], [])


async def test_decisions_replay_after_budgets_and_offers_moved_on(shop):
    await open_offers(shop, amount=1_500)
    answers = [await decide_offers(shop, "anna"), await decide_offers(shop, "ben")]
    raised = OfferBudget(id="spring", name="Spring", currency="EUR", amount=10**6)
    await shop.engine.catalogue.update(shop.actor(), "budget", "", "spring", raised, version=None)
    async with shop.engine.database.read() as connection:
        rows = await decisions.by_ids(connection, shop.id, [held.answer.decision.decision_id for held in answers])
    for row in rows.values():
        assert (await replay(shop.engine.database, row)).same
    [refused] = [row for row in rows.values() if msgspec.json.decode(row.facts)[UNAVAILABLE]]
    assert refused.id == answers[1].answer.decision.decision_id


async def test_changed_cap_applies_at_once(shop):
    await open_offers(shop, amount=500)
    assert shown_offers(await decide_offers(shop)) == []
    raised = OfferBudget(id="spring", name="Spring", currency="EUR", amount=5_000)
    await shop.engine.catalogue.update(shop.actor(), "budget", "", "spring", raised, version=None)
    assert shown_offers(await decide_offers(shop)) == ["ten-percent"]


async def test_answer_changes_after_five_minutes(shop, monkeypatch):
    await open_offers(shop)
    first = await decide_offers(shop, "anna")
    later = now_ms() + 5 * MINUTE
    monkeypatch.setattr("engine.decisions.decide.now_ms", lambda: later)
    second = await decide_offers(shop, "anna")
    assert second.answer.decision.decision_id != first.answer.decision.decision_id
    assert [hold.id for hold in second.holds] == [hold.id for hold in first.holds]
    async with shop.engine.database.read() as connection:
        [kept] = await holds.every(connection, shop.id)
    assert kept.decision_id == second.answer.decision.decision_id
    await shop.engine.holds.change(shop.id, kept.id, ledger.release, now=later)
    assert await is_verified(shop)
