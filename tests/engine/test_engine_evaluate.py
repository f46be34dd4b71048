"""The estimated value of another policy on a placement's own log."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlalchemy import update

from engine.clock import now_ms
from engine.insights.evaluation import Evenly, First, InOrder, Slot, evaluate, step
from engine.model.errors import NotFound
from engine.model.placement import Fixed, One, Split, Thompson
from engine.store.tables import decisions
from tests.factories import candidates, placement, rule
from tests.marks import SQLITE_FIRST

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]

RATES = {"card": 0.2, "paypal": 0.6, "klarna": 0.4}
SHARES = {"card": 0.5, "paypal": 0.2, "klarna": 0.3}


async def play(shop, count, *, slots=1, customers=None):
    """Customers come, look at the first `slots` and pay or leave."""
    chance = random.Random(1)
    answers = await asyncio.gather(*(shop.decide(f"c{number % (customers or count)}") for number in range(count)))
    reports = []
    for answer in answers:
        for ranked in answer.decision.ranking[:slots]:
            if chance.random() < RATES[ranked.id]:
                reports.append(shop.outcome(answer, "converted", ranked.id))
                break
        else:
            reports.append(shop.outcome(answer, "abandoned"))
    await shop.engine.recorder.outcomes(reports)
    await close(shop)


async def close(shop):
    async with shop.engine.database.write() as connection:
        await connection.execute(update(decisions).values(closes_at=None))


async def evaluation(shop, alternative, **changes):
    period = {"since": 0, "until": now_ms() + 1} | changes
    return await evaluate(shop.engine.database, shop.id, "payment_methods", alternative, **period)


@SQLITE_FIRST
async def test_value_of_another_policy_is_estimated_from_the_log(empty_shop):
    await empty_shop.add_placement(placement(shape=One(), policy=Split(weights=SHARES)), *candidates(*RATES))
    await play(empty_shop, 3_000)
    truths = {First("paypal"): 0.6, InOrder(): 0.2, Evenly(): 0.4}
    for alternative, true_value in truths.items():
        result = await evaluation(empty_shop, alternative)
        assert result.decisions == 3_000
        assert not result.snips.refused
        for estimate in (result.ips, result.snips, result.by_slot):
            assert estimate.low < true_value < estimate.high
        assert result.difference.low < true_value - 0.34 < result.difference.high


@SQLITE_FIRST
async def test_repeated_customers_widen_the_interval(empty_shop):
    await empty_shop.add_placement(placement(shape=One(), policy=Split(weights=SHARES)), *candidates(*RATES))
    await play(empty_shop, 900, customers=900)
    many = await evaluation(empty_shop, First("paypal"))
    await play(empty_shop, 900, customers=15)
    few = await evaluation(empty_shop, First("paypal"))
    assert not many.snips.refused
    assert few.decisions == 2 * many.decisions
    assert few.snips.high - few.snips.low > many.snips.high - many.snips.low


@SQLITE_FIRST
async def test_whole_orders_are_weighed_slot_by_slot(empty_shop):
    await empty_shop.add_placement(placement(policy=Thompson(floor=0.3, history=False)), *candidates(*RATES))
    await play(empty_shop, 1_500, slots=2)
    result = await evaluation(empty_shop, InOrder())
    in_order = 0.2 + 0.8 * 0.6
    assert result.by_slot.low < in_order < result.by_slot.high
    assert result.by_slot.high - result.by_slot.low <= (result.ips.high - result.ips.low) * 1.1
    assert result.snips.mean_weight == pytest.approx(1, abs=0.2)


async def test_pinned_slots_are_unchanged(empty_shop):
    await empty_shop.add_placement(placement(policy=Thompson(floor=0.2)), *candidates(*RATES))
    await empty_shop.create("rule", rule({"pin": {"candidate": "klarna", "slot": 1}}))
    await play(empty_shop, 300)
    result = await evaluation(empty_shop, First("klarna"))
    assert result.difference.value == 0
    assert result.snips.largest_weight == 1


async def test_open_windows_fallbacks_and_other_days_do_not_count(empty_shop):
    await empty_shop.add_placement(placement(shape=One(), policy=Split()), *candidates(*RATES))
    await play(empty_shop, 20)
    await empty_shop.decide("late")
    result = await evaluation(empty_shop, Evenly())
    assert (result.decisions, result.left_out) == (20, 1)
    assert (await evaluation(empty_shop, Evenly(), until=1_000)).decisions == 0
    assert "too few decisions" in (await evaluation(empty_shop, Evenly(), until=1_000)).snips.refused


async def test_log_without_draws_cannot_estimate_other_policies(empty_shop):
    await empty_shop.add_placement(placement(policy=Fixed()))
    await play_nothing(empty_shop)
    result = await evaluation(empty_shop, Evenly())
    assert (result.decisions, result.left_out) == (0, 5)
    assert result.snips.refused


async def play_nothing(shop):
    for _ in range(5):
        await shop.decide()
    await close(shop)


async def test_another_merchants_placement_and_an_unknown_candidate_are_not_found(shop):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    with pytest.raises(NotFound, match="no placement"):
        await evaluate(shop.engine.database, other.id, "payment_methods", Evenly(), since=0, until=1)
    with pytest.raises(NotFound, match="no candidate “nobody”"):
        await evaluation(shop, First("nobody"))


def test_importance_ratio_is_the_new_over_the_logged_chance():
    slot = Slot("paypal", 0.25, ("card", "paypal"))
    assert step(Evenly(), slot, top=True) == 2
    assert step(InOrder(), slot, top=True) == 0
    assert step(First("paypal"), slot, top=True) == 4
    assert step(First("card"), slot, top=True) == 0
    assert step(First("paypal"), slot, top=False) == 1
    assert step(First("ideal"), slot, top=True) == 1
