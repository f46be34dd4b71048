"""The estimated cost of an offer: the discounts of the log by customer and day, and their interval."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from engine.clock import now_ms
from engine.model.documents.offer import FixedAmount, OfferBudget
from engine.model.errors import Conflict, NotFound
from engine.model.timestamps import DAY
from engine.previews.estimation.offer_cost import Discounts, cost_of
from engine.previews.previews import Period
from tests.factories import rule
from tests.marks import SQLITE_FIRST
from tests.offers import decide_offers, offer_candidate, open_offers

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(empty_shop):
    return empty_shop


def discounts(*rows):
    table = Discounts()
    for row in rows:
        table.append(*row)
    return table


def test_a_customer_uses_an_offer_once_a_day():
    table = discounts((100, 1, 5), (300, 1, 5), (200, 1, 6), (50, 2, 5))
    cost = cost_of(table)
    assert (cost.decisions, cost.customers, cost.most, cost.low) == (4, 2, 550, None)


def test_pieces_of_the_log_add_up():
    first, second = discounts((100, 1, 5)), discounts((300, 1, 5), (50, 2, 5))
    first.extend(second)
    assert cost_of(first) == cost_of(discounts((300, 1, 5), (50, 2, 5), (100, 1, 5)))
    assert cost_of(Discounts()).decisions == 0


def test_interval_covers_the_cost_of_other_periods():
    random, covered, runs = np.random.default_rng(4), 0, 400
    for _ in range(runs):
        table = discounts(
            *(
                (int(random.integers(100, 2_000)), customer, day)
                for customer in range(random.poisson(120))
                for day in range(random.integers(1, 4))
            )
        )
        cost = cost_of(table)
        covered += cost.low <= 120 * 2 * 1_049.5 <= cost.high
    assert 0.90 <= covered / runs <= 0.99


async def ask_all(shop, count=40):
    luck = Random(4)
    for number in range(count):
        await decide_offers(shop, f"customer {number}", total=luck.randrange(1_000, 9_000))


async def cost(shop, offer):
    period = Period(now_ms() - 30 * DAY, now_ms() + 1)
    preview = await shop.engine.previews.start_offer(shop.actor(), "offers", offer, period)
    preview = await shop.engine.previews.finish(shop.id, preview.id)
    assert (preview.state, preview.problem) == ("done", "")
    return preview.result


@SQLITE_FIRST
async def test_paused_offer_is_counted_in_decisions_that_would_show_it(shop):
    five = offer_candidate("five", position=1, enabled=False, benefit=FixedAmount(amount=500))
    await open_offers(shop, offer_candidate(), five, amount=10**6)
    only_large = {"<": [{"var": "cart.total"}, 5_000]}
    await shop.create("rule", rule({"exclude": ["five"]}, when=only_large), placement="offers")
    await ask_all(shop)
    result = await cost(shop, "five")
    luck = Random(4)
    large = sum(luck.randrange(1_000, 9_000) >= 5_000 for _ in range(40))
    assert (result.read, result.offer.decisions, result.offer.customers) == (40, large, large)
    assert result.offer.most == 500 * large
    newest = await shop.engine.previews.newest(shop.id, "offers", offer="five")
    assert newest.result.offer == result.offer
    assert await shop.engine.previews.newest(shop.id, "offers") is None


@SQLITE_FIRST
async def test_active_offer_costs_its_holds(shop):
    await open_offers(shop, offer_candidate(), amount=10**6)
    held = [await decide_offers(shop, f"c{number}", total=1_000 * (number + 1)) for number in range(25)]
    result = await cost(shop, "ten-percent")
    assert result.offer.most == sum(each.holds[0].amount for each in held)
    assert result.offer.low < result.offer.most < result.offer.high
    assert result.changed == 0


@SQLITE_FIRST
async def test_past_exclusions_are_ignored(shop):
    late = offer_candidate("late", position=1, starts_at="2100-01-01T00:00:00Z")
    foreign = offer_candidate("foreign", position=2, currency="USD", budgets=("dollars",))
    await shop.create("budget", OfferBudget(id="dollars", name="Dollars", currency="USD", amount=10**6))
    await open_offers(shop, offer_candidate(), late, foreign, amount=10**6)
    await ask_all(shop, 5)
    assert (await cost(shop, "late")).offer.decisions == 5
    assert (await cost(shop, "foreign")).offer.decisions == 0


@SQLITE_FIRST
async def test_only_an_offer_of_the_placement_has_a_cost(shop):
    await open_offers(shop)
    with pytest.raises(NotFound):
        await cost(shop, "none")
    period = Period(now_ms() - DAY, now_ms())
    running = await shop.engine.previews.start_offer(shop.actor(), "offers", "ten-percent", period)
    with pytest.raises(Conflict, match="another preview"):
        await shop.engine.previews.start_offer(shop.actor(), "offers", "ten-percent", period)
    ended = await shop.engine.previews.finish(shop.id, running.id)
    assert (ended.result.read, ended.result.offer.decisions) == (0, 0)
