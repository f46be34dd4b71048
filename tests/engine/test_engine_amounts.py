"""Amounts with their tail cut, in relation to the cart."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from benchmarks.checks import money
from engine.clock import now_ms
from engine.decisions import rebuild
from engine.learning.beliefs_reader import BeliefsReader
from engine.model.placement import Thompson
from engine.model.scope import Scope
from engine.statistics.amounts import AmountRow, amounts_by_candidate, relative_amount
from engine.statistics.evidence import DayRow
from tests.factories import order, placement

pytestmark = pytest.mark.anyio


def unfaded(_candidate, _day):
    return 1.0


def test_single_large_order_does_not_change_chances():
    assert abs(money.large_order(cut=True)) <= 0.1
    assert money.large_order(cut=False) > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_varying_carts_do_not_stick_to_the_worse(seed):
    assert money.share_of_worse(seed, 3.5, cut=True) < 0.5


def test_amounts_count_in_relation_to_known_carts():
    rows = [AmountRow("card", 1, 53, 1, 10, 100_000), AmountRow("klarna", 1, 53, 1, 10, 99_000)]
    days = [DayRow("card", 0, 1, 30, 10, 10, 10 * 90_000), DayRow("klarna", 0, 1, 30, 10, 10, 10 * 2_000)]
    amounts = amounts_by_candidate(rows, days, unfaded, typical=5_000)
    assert amounts["card"].total == pytest.approx(50_000, rel=0.01)
    assert amounts["klarna"].total == pytest.approx(49_500, rel=0.01)


def test_sums_without_bins_use_the_mean_of_their_day():
    rows = [AmountRow("card", 0, 44, 2, 5, 5 * 8_000)]
    days = [DayRow("card", 0, 1, 9, 4, 4, 24_000), DayRow("card", 0, 2, 30, 7, 7, 7 * 8_000)]
    card = amounts_by_candidate(rows, days, unfaded, typical=5_000)["card"]
    assert (card.count, card.total) == (11, pytest.approx(24_000 + 56_000))


@pytest.mark.parametrize("cart", [None, 0, -5, True, "12"])
def test_unknown_cart_has_no_share(cart):
    assert relative_amount(500, cart) is None


async def learned(shop):
    setup = shop.engine.live.get(shop.id, "payment_methods")
    scope = Scope(shop.id, "payment_methods", "revenue")
    knowledge = await BeliefsReader(scope, setup.plan).read_all(shop.engine.database, now_ms())
    return {name: arm.amount / arm.priced for name, arm in knowledge.arms.items() if arm.priced}


async def test_the_size_of_the_cart_is_no_merit_of_the_method(empty_shop):
    await empty_shop.add_placement(placement(reward="revenue", policy=Thompson(floor=0.0)))
    for number in range(60):
        total = 90_000 if number % 2 else 1_000
        answer = await empty_shop.decide(cart_total=total, cart_currency="EUR")
        method = order(answer.decision)[number % 2]
        await empty_shop.engine.recorder.outcomes([empty_shop.outcome(answer, "converted", method, amount=total)])
    means = await learned(empty_shop)
    assert list(means.values()) == pytest.approx([5_000] * len(means), rel=0.01)
    assert len(means) > 1
    database = empty_shop.engine.database
    assert await rebuild.compare(database) == []
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM amounts"))
    assert {difference.fold for difference in await rebuild.compare(database)} == {"amounts"}
    await rebuild.rebuild(database)
    assert await rebuild.compare(database) == []
