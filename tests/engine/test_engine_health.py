"""The health of what a placement learns from: audiences, sources of outcomes, and weights by day."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from engine.clock import now_ms
from engine.model.errors import NotFound
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.health import AudienceRow, audiences, day_weights
from engine.store import decisions
from tests.factories import answer, candidate, order, placement, plan, rule
from tests.marks import SQLITE_FIRST

LIMITED = (candidate("card"), candidate("paypal", position=1), candidate("invoice", position=2, max_amount=10_000))
ALL_METHODS, TWO = frozenset(("card", "invoice")), frozenset(("card",))


def seen(offered, count, successes):
    return [AudienceRow(offered, number < successes) for number in range(count)]


def test_audience_that_buys_more_is_different():
    card, invoice = audiences(("card", "invoice"), [*seen(ALL_METHODS, 400, 220), *seen(TWO, 400, 80)])
    assert (invoice.offered, invoice.rate, invoice.other_rate, invoice.is_unlike) == (400, 0.55, 0.2, True)
    assert (card.offered, card.rate, card.other_rate, card.is_unlike) == (800, 0.375, None, False)


def test_similar_or_few_customers_cause_no_warning():
    assert not any(
        each.is_unlike for each in audiences(("invoice",), [*seen(ALL_METHODS, 400, 90), *seen(TWO, 400, 80)])
    )
    assert not any(
        each.is_unlike for each in audiences(("invoice",), [*seen(ALL_METHODS, 400, 200), *seen(TWO, 20, 0)])
    )
    assert not any(each.is_unlike for each in audiences(("invoice",), [*seen(ALL_METHODS, 90, 0), *seen(TWO, 90, 0)]))
    assert audiences(("card",), [])[0].rate is None


def test_weights_of_drawn_orders_add_up_to_the_number_of_decisions():
    answers = [answer(plan(), key=f"dec_{number}") for number in range(400)]
    weights = day_weights(7, answers)
    assert (weights.day, weights.decisions, weights.is_off) == (7, 400, False)
    assert weights.total == pytest.approx(400, abs=4 * weights.error)


def test_wrong_chances_show_in_the_weights():
    def claimed(decision):
        ranking = [msgspec.structs.replace(ranked, confidence=0.1 / 3) for ranked in decision.ranking]
        first = msgspec.structs.replace(ranking[0], confidence=0.9, chance=0.9)
        return msgspec.structs.replace(decision, ranking=[first, *ranking[1:4]])

    assert day_weights(7, [claimed(answer(plan(), key=f"dec_{number}")) for number in range(400)]).is_off


def test_pinned_first_slots_have_no_weight():
    pinned = plan(rule({"pin": {"candidate": "klarna", "slot": 1}}))
    assert day_weights(7, [answer(pinned, key=f"dec_{number}") for number in range(20)]).decisions == 0


# In the engine


async def shopped(shop, *, credit, count=240):
    """Small carts are offered the invoice and buy more."""
    await shop.add_placement(placement(credit=credit), *LIMITED)
    luck = random.Random(3)
    totals = [luck.choice((5_000, 50_000)) for _ in range(count)]
    answers = await asyncio.gather(*(shop.decide(cart_total=total, cart_currency="EUR") for total in totals))
    rows = []
    for total, made in zip(totals, answers, strict=True):
        bought = luck.random() < (0.6 if total == 5_000 else 0.1)
        rows.append(shop.outcome(made, "converted" if bought else "abandoned", order(made.decision)[0]))
    await shop.engine.recorder.outcomes(rows)
    await shop.engine.recorder.close_due(now_ms() + 2 * placement().window_minutes * MINUTE)
    await shop.engine.live.refresh(at_once=True)
    return await shop.engine.health.of(shop.id, "payment_methods")


@SQLITE_FIRST
@pytest.mark.anyio
@pytest.mark.usefixtures("reproducible_draws")
@pytest.mark.parametrize(("credit", "pools"), [("cascade", True), ("choice", False)])
async def test_health_has_audiences_sources_weights_and_version(empty_shop, credit, pools):
    health = await shopped(empty_shop, credit=credit)
    assert health.pools is pools
    assert {each.candidate for each in health.audiences if each.is_unlike} == {"invoice"}
    assert health.sources == {"server": 240}
    [today] = health.weights
    assert (today.day, today.is_off) == (now_ms() // DAY, False)
    assert today.decisions == 200
    assert health.newest.reason.endswith("outcomes")


@pytest.mark.anyio
@pytest.mark.usefixtures("reproducible_draws")
async def test_open_decisions_are_no_failures_of_an_audience(shop):
    await shop.decide()
    health = await shop.engine.health.of(shop.id, "payment_methods")
    assert health.decisions == 1
    assert all((each.decisions, each.offered, each.rate) == (1, 1, None) for each in health.audiences)
    assert health.newest is None


@pytest.mark.anyio
@pytest.mark.usefixtures("reproducible_draws")
async def test_health_of_an_unknown_placement_is_not_found(shop):
    with pytest.raises(NotFound):
        await shop.engine.health.of(shop.id, "elsewhere")


@pytest.mark.anyio
@pytest.mark.usefixtures("reproducible_draws")
async def test_changed_logged_chances_are_detected(empty_shop):
    """Somebody wrote other chances into the log."""
    await shopped(empty_shop, credit="cascade", count=150)
    async with empty_shop.engine.database.write() as connection:
        for row in await decisions.newest(connection, empty_shop.id, limit=1_000):
            made = msgspec.json.decode(row.answer)
            others = len(made["ranking"]) - 1
            for number, ranked in enumerate(made["ranking"]):
                ranked["confidence"] = 0.02 if number == 0 else 0.98 / others
            made["ranking"][0]["chance"] = 0.02
            changed = msgspec.json.encode(made).decode()
            await decisions.replace(connection, [msgspec.structs.replace(row, answer=changed)])
    health = await empty_shop.engine.health.of(empty_shop.id, "payment_methods")
    assert health.weights[0].is_off
