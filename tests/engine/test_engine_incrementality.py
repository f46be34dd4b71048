"""The incremental effect of offers from the log: customers who saw an offer, compared with the holdback."""

from __future__ import annotations

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.model.errors import NotFound
from engine.model.facts import WITHHELD
from engine.model.placement import Holdback
from engine.model.scope import Scope
from engine.model.timestamps import MINUTE
from engine.offers.incrementality import CustomerAnswer, group_by_offer
from engine.offers.scores import score_offers
from engine.store import decisions, folds
from tests.marks import SQLITE_FIRST
from tests.offers import balance, decide_offers, offer_candidate, open_offers, redeem, shown_offers

pytestmark = pytest.mark.anyio


def answer(customer: str, *offers: str, held: bool = False, orders: int = 0, margin: float = 0.0, cost: int = 0):
    return CustomerAnswer(customer, held, offers, orders, margin, cost)


def test_substitute_of_a_redeemed_offer_is_not_compared():
    """A customer who redeemed an offer may see the next; the holdback redeems none and would never see it."""
    answers = [answer("a", "ten", orders=1, margin=90.0, cost=10), answer("a", "next", orders=1, margin=80.0, cost=20)]
    answers += [answer("b", "ten", held=True), answer("b", "ten", held=True)]
    groups = group_by_offer(answers, ["ten", "next"])
    assert (groups["ten"].shown.orders.tolist(), groups["ten"].cost, groups["ten"].held_back.size) == ([2], 30, 1)
    assert (groups["next"].shown.size, groups["next"].held_back.size) == (0, 0)


def test_purchases_count_from_the_first_time_an_offer_is_shown():
    answers = [
        answer("a", orders=1, margin=100.0),
        answer("a", "ten", orders=1, margin=90.0, cost=10),
        answer("a", orders=1, margin=100.0),
        answer("b", "ten", held=True),
        answer("b", held=True, orders=1, margin=100.0),
        answer("c", "gone", orders=1, margin=1.0),
        answer("c", "new", orders=1, margin=1.0),
    ]
    groups = group_by_offer(answers, ["ten", "new"])
    held_back, seen, cost = groups["ten"]
    assert (seen.orders.tolist(), seen.margins.tolist(), cost) == ([2], [190.0], 10)
    assert (held_back.orders.tolist(), held_back.margins.tolist()) == ([1], [100.0])
    assert (groups["new"].shown.size, groups["new"].held_back.size) == (0, 0)


@pytest.fixture
async def shop(empty_shop):
    """A shop with two offers, one for small carts alone, and half of the customers held back."""
    small = msgspec.structs.replace(offer_candidate("small", position=1), max_amount=5_000)
    await open_offers(empty_shop, offer_candidate(), small, amount=1_000_000)
    stored = await empty_shop.engine.catalogue.get(empty_shop.id, "placement", "", "offers")
    held_back = msgspec.structs.replace(stored.document, holdback=Holdback(share=0.5))
    await empty_shop.engine.catalogue.update(empty_shop.actor(), "placement", "", "offers", held_back, version=None)
    return empty_shop


async def decide_and_order(shop, count: int):
    """Return the answers to customers, those who are held back and the others."""
    answers = [await decide_offers(shop, f"customer {number}") for number in range(count)]
    return [each for each in answers if not each.holds], [each for each in answers if each.holds]


async def effects(shop, *, later: int = 120):
    now = now_ms() + later * MINUTE
    return await shop.engine.incrementality.effects(shop.id, "offers", days=30, lift=0.1, now=now)


async def test_log_has_the_offers_withheld_from_the_holdback(shop):
    held_back, others = await decide_and_order(shop, 12)
    assert all(each.answer.facts.values[WITHHELD] == ["ten-percent"] for each in held_back)
    assert not any(WITHHELD in each.answer.facts.values for each in others)
    assert {*map(tuple, map(shown_offers, others))} == {("ten-percent",)}
    async with shop.engine.database.read() as connection:
        row = await decisions.find(connection, shop.id, held_back[0].answer.decision.decision_id)
    assert (await replay(shop.engine.database, row)).same


async def test_extra_orders_and_costs_come_from_the_log(shop):
    held_back, others = await decide_and_order(shop, 40)
    for number, each in enumerate(others):
        if number % 2:
            await redeem(shop, each.holds[0].id, order_id=f"order-{number}")
            await shop.report(each.answer, "converted", "ten-percent", amount=10_000)
    assert (await shop.report(held_back[0].answer, "converted", amount=10_000)).status == "recorded"
    result = await effects(shop)
    ten, small = result.effects
    assert (ten.offer, ten.shown, ten.held_back) == ("ten-percent", len(others), len(held_back))
    bought = len(others) // 2
    assert ten.cost == bought * 1_000
    assert ten.extra_orders.value == pytest.approx(bought - len(others) / len(held_back))
    margin = bought * (3_000 - 1_000) - 3_000 * len(others) / len(held_back)
    assert ten.extra_margin.value == pytest.approx(margin)
    assert ten.cost_per_order[0] == pytest.approx(ten.cost / ten.extra_orders.value)
    assert ten.verdict == "too_few"
    assert (small.shown, small.held_back, small.extra_orders) == (0, 0, None)
    assert (result.share, result.needed_share) == (0.5, None)


async def test_a_purchase_without_an_offer_is_no_success_of_an_offer(shop):
    _, others = await decide_and_order(shop, 8)
    await shop.report(others[0].answer, "converted", amount=10_000)
    database = shop.engine.database
    async with database.read() as connection:
        rows = await folds.days(connection, Scope(shop.id, "offers", "converted"), bucket="", since_day=0)
    assert [(row.candidate, row.trials, row.successes) for row in rows] == [("ten-percent", 1, 0)]
    assert await rebuild.compare(database) == []


async def test_decisions_whose_time_is_not_over_do_not_count(shop):
    await decide_and_order(shop, 4)
    assert [each.shown for each in (await effects(shop, later=0)).effects] == [0, 0]


async def test_without_a_holdback_there_is_no_comparison(empty_shop):
    await open_offers(empty_shop)
    await decide_offers(empty_shop, "anna")
    [effect] = (await effects(empty_shop)).effects
    assert (effect.verdict, effect.shown) == ("too_few", 0)


async def test_an_unknown_placement_is_not_found(empty_shop):
    with pytest.raises(NotFound):
        await effects(empty_shop)


# Scores


async def test_scores_predict_without_deciding_or_holding(shop):
    scores = await score_offers(shop.engine.decider, shop.id, "offers", "anna", {"cart": {"total": 10_000}})
    [ten] = scores.scores
    assert (ten.id, ten.discount, ten.success_value, ten.first_chance) == ("ten-percent", 1_000, 2_000, 1.0)
    assert ten.expected == pytest.approx(ten.success * 2_000)
    assert [excluded.id for excluded in scores.excluded] == ["small"]
    async with shop.engine.database.read() as connection:
        assert await decisions.newest(connection, shop.id) == []
    assert (await balance(shop)).held == 0


@SQLITE_FIRST
async def test_scores_are_the_same_in_the_holdback(shop):
    context = {"cart": {"total": 4_000}}
    scores = [
        await score_offers(shop.engine.decider, shop.id, "offers", f"customer {number}", context) for number in range(8)
    ]
    assert {tuple(score.id for score in each.scores) for each in scores} == {("ten-percent", "small")}


async def test_spent_budget_has_no_scores(empty_shop):
    await open_offers(empty_shop, amount=10)
    scores = await score_offers(empty_shop.engine.decider, empty_shop.id, "offers", None, {"cart": {"total": 10_000}})
    assert scores.scores == []
    assert [excluded.id for excluded in scores.excluded] == ["ten-percent"]
