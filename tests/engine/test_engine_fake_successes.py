"""Many successes of one customer do not change the beliefs for all customers."""

from __future__ import annotations

import asyncio

import pytest

from engine.decisions import rebuild
from engine.model.placement import Contextual, One
from engine.store.observations import MOST_SUCCESSES
from tests.factories import candidate, placement
from tests.marks import SQLITE_FIRST

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]

FAKES = 295
HONEST = 400


async def shop_with(shop, **changes):
    setup = placement(**{"credit": "choice", "shape": One(), **changes})
    await shop.add_placement(setup, candidate("card", position=0), candidate("klarna", position=1))


async def report(shop, customers, bought):
    """Let each customer see an answer; `bought` says of a number whether the first is bought."""
    answers = await asyncio.gather(*(shop.decide(customer) for customer in customers))
    rows = []
    for number, answer in enumerate(answers):
        name = answer.decision.ranking[0].id
        rows.append(
            shop.outcome(answer, "converted" if bought(number) else "abandoned", name if bought(number) else None)
        )
    await shop.engine.recorder.outcomes(rows)
    await shop.engine.live.refresh(at_once=True)
    return answers


async def score(shop):
    ranking = [(await shop.decide()).decision.ranking[0] for _ in range(48)]
    return sum(ranked.score for ranked in ranking) / len(ranking)


@SQLITE_FIRST
async def test_295_fakes_of_a_customer_move_no_rate(empty_shop):
    await shop_with(empty_shop)
    await report(empty_shop, [f"c{number}" for number in range(HONEST)], lambda number: number % 10 == 0)
    before = await score(empty_shop)
    await report(empty_shop, ["mallory"] * FAKES, lambda number: True)
    assert before == pytest.approx(0.1, abs=0.04)
    assert await score(empty_shop) < before + 0.03
    assert await rebuild.compare(empty_shop.engine.database) == []


async def test_retracting_fakes_keeps_other_outcomes(empty_shop):
    await shop_with(empty_shop)
    await report(empty_shop, [f"c{number}" for number in range(100)], lambda number: number % 5 == 0)
    before = await score(empty_shop)
    answers = await report(empty_shop, ["mallory"] * 20, lambda number: True)
    refunds = [empty_shop.outcome(answer, "refunded", answer.decision.ranking[0].id) for answer in answers]
    await empty_shop.engine.recorder.outcomes(refunds)
    await empty_shop.engine.live.refresh(at_once=True)
    # A refunded purchase counts as a visit without a selection.
    assert before - 0.08 < await score(empty_shop) <= before + 0.01


async def test_a_customers_few_purchases_count(empty_shop):
    await shop_with(empty_shop)
    await report(empty_shop, [f"c{number}" for number in range(40)], lambda number: number % 10 == 0)
    before = await score(empty_shop)
    await report(empty_shop, ["ada"] * MOST_SUCCESSES, lambda number: True)
    assert await score(empty_shop) > before


@SQLITE_FIRST
async def test_fakes_do_not_move_a_contextual_rate(empty_shop):
    await shop_with(empty_shop, credit="cascade", policy=Contextual(features=("device.type",), affinity=False))
    await report(empty_shop, [f"c{number}" for number in range(200)], lambda number: number % 10 == 0)
    before = await score(empty_shop)
    await report(empty_shop, ["mallory"] * 150, lambda number: True)
    assert await score(empty_shop) < before + 0.05
