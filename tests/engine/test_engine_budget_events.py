"""Events of offers and budgets, alerts, the course of a budget, and the ledger by filter."""

from __future__ import annotations

import msgspec
import pytest
from structlog.testing import capture_logs

from engine.clock import now_ms
from engine.jobs import purge
from engine.kernel.offers import ledger
from engine.model.documents.offer import OfferBudget
from engine.model.events.event import BudgetAlert, OfferEvent
from engine.model.offers.hold import LedgerFilter
from engine.model.timestamps import DAY, MINUTE
from engine.offers.alerts import Alerts, level_after
from engine.offers.burn_down import DayOfSpending, burn_down
from engine.store.connection import purging
from engine.store.events import outbox
from tests.offers import decide_offers, offer_candidate, open_offers, redeem, set_budget_caps
from web.http import logs

pytestmark = pytest.mark.anyio


@pytest.fixture
def shop(empty_shop):
    return empty_shop


async def events(shop, type=None):
    """All events of offers and budgets, those of PostgreSQL without the wait for other writers."""
    async with shop.engine.database.read() as connection:
        rows = await outbox.page(connection, shop.id, after=0, type=type, limit=1_000)
    return [row for row in rows if row.type != "version.published"]


# The outbox


async def test_all_that_happens_to_a_hold_is_an_event(shop):
    await open_offers(shop)
    held = await decide_offers(shop, "anna")
    await shop.report(held.answer, "shown")
    await redeem(shop, held.holds[0].id, 8_000)
    refund = ledger.refund
    await shop.engine.holds.change(shop.id, held.holds[0].id, lambda hold: refund(hold, amount=4_000), now=now_ms())
    [second], [third] = [(await decide_offers(shop)).holds for _ in range(2)]
    await shop.engine.holds.change(shop.id, second.id, ledger.release, now=now_ms())
    await shop.engine.holds.expire_due(now=now_ms() + 16 * MINUTE)
    rows = await events(shop)
    names = ["held", "shown", "redeemed", "refunded", "held", "held", "released", "expired"]
    assert [row.type for row in rows] == [f"offer.{name}" for name in names]
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    bodies = [msgspec.json.decode(row.body, type=OfferEvent) for row in rows]
    assert {body.hold_id for body in bodies[:4]} == {held.holds[0].id}
    assert [(body.held, body.discount, body.returned) for body in bodies[:4]] == [
        (1_000, 0, 0),
        (1_000, 0, 0),
        (0, 800, 0),
        (0, 800, 400),
    ]
    assert (bodies[2].order_id, bodies[-1].hold_id) == ("o-1", third.id)
    assert await shop.engine.events.page(shop.id + 1, after=0, type=None, limit=10) == []


async def test_only_shown_offers_have_events(shop):
    await open_offers(shop, offer_candidate("first"), offer_candidate("second", position=1))
    held = await decide_offers(shop)
    await shop.report(held.answer, "shown", "second", event="e")
    await shop.report(held.answer, "shown", "second", event="e")
    [row] = await events(shop, "offer.shown")
    assert msgspec.json.decode(row.body, type=OfferEvent).offer_id == "second"


async def test_refusal_has_no_event(shop):
    await open_offers(shop, amount=1_000)
    await decide_offers(shop)
    await decide_offers(shop)
    with pytest.raises(Exception, match="no hold"):
        await redeem(shop, "none")
    assert [row.type for row in await events(shop)] == ["offer.held"]


async def test_events_contain_no_codes(shop):
    await open_offers(shop, offer_candidate(codes="pool"))
    await shop.engine.codes.add(shop.actor(), "offers", "ten-percent", ["SECRET-1"])
    [hold] = (await decide_offers(shop)).holds
    assert hold.code == "SECRET-1"
    assert not any("SECRET-1" in row.body for row in await events(shop))


async def test_events_are_deleted_after_the_retention(shop):
    await open_offers(shop)
    await decide_offers(shop)
    await purge(shop.engine.database, retention_days=90)
    assert len(await events(shop)) == 1
    await purging.purge(shop.engine.database, [outbox.expired(before=now_ms() + 1)])
    assert await events(shop) == []


# Alerts


async def test_each_threshold_is_reported_once_by_one_process(shop):
    await open_offers(shop, amount=2_000)
    alerts, others = shop.engine.alerts, Alerts(shop.engine.database)
    assert await alerts.run(now=now_ms()) == 0
    await decide_offers(shop)
    # A test before this may have left out lines of this level.
    logs.configure("info")
    with capture_logs() as lines:
        assert (await alerts.run(now=now_ms()), await others.run(now=now_ms())) == (1, 0)
    assert [(line["event"], line["budget"], line["percent"]) for line in lines] == [("budget alert", "spring", 50)]
    await decide_offers(shop)
    assert (await others.run(now=now_ms()), await alerts.run(now=now_ms())) == (2, 0)
    bodies = [msgspec.json.decode(row.body, type=BudgetAlert) for row in await events(shop, "budget.alert")]
    assert bodies == [BudgetAlert("spring", percent, None) for percent in (50, 80, 100)]
    assert alerts.counts == {50: 1, 80: 1, 100: 1}


async def test_a_budget_by_day_and_by_uses_is_watched(shop):
    await shop.create("budget", OfferBudget(id="daily", name="Daily", currency="EUR", uses=2, period="day"))
    await open_offers(shop, offer_candidate(budgets=("spring", "daily")), amount=10**6)
    await decide_offers(shop)
    now = now_ms()
    assert await shop.engine.alerts.run(now=now) == 1
    [row] = await events(shop, "budget.alert")
    assert msgspec.json.decode(row.body, type=BudgetAlert) == BudgetAlert("daily", 50, now // DAY)


async def test_raised_cap_reports_a_threshold_again(shop):
    await open_offers(shop, amount=1_000)
    await decide_offers(shop)
    assert await shop.engine.alerts.run(now=now_ms()) == 3
    await set_budget_caps(shop.engine.database, amount=10_000)
    assert await shop.engine.alerts.run(now=now_ms()) == 0
    await set_budget_caps(shop.engine.database, amount=1_000)
    assert await shop.engine.alerts.run(now=now_ms()) == 3


@pytest.mark.parametrize(
    ("percent", "alerted", "level"),
    [(0, 0, 0), (49, 0, 0), (50, 0, 50), (99, 50, 80), (100, 80, 100), (75, 80, 80), (69, 80, 50), (10, 100, 0)],
)
def test_a_level_falls_only_with_some_distance(percent, alerted, level):
    assert level_after(percent, alerted) == level


# The course of a budget


def test_earlier_balance_is_derived_from_the_present_balance():
    days = {100: DayOfSpending(300, 200), 102: DayOfSpending(500, 400)}
    course = burn_down(days, left=200, started_at=100 * DAY + 1_000, now=102 * DAY + DAY // 2)
    assert [left for _, left in course.points] == [1_000, 700, 700, 200]
    assert course.points[0][0] == 100 * DAY + 1_000
    moments = [moment for moment, _ in course.points]
    assert moments == sorted(moments)


def test_spending_of_a_week_predicts_the_end():
    days = {day: DayOfSpending(100, 100) for day in range(80, 100)}
    course = burn_down(days, left=1_000, started_at=80 * DAY, now=100 * DAY)
    assert course.pace == pytest.approx(100)
    assert course.used_up_at == 110 * DAY


@pytest.mark.parametrize(
    ("days", "left"), [({}, 500), ({99: DayOfSpending(500, 0)}, 500), ({99: DayOfSpending(9, 9)}, 0)]
)
def test_without_pace_or_rest_there_is_no_forecast(days, left):
    assert burn_down(days, left=left, started_at=90 * DAY, now=100 * DAY).used_up_at is None


def test_a_refund_slows_the_pace():
    days = {98: DayOfSpending(700, 700), 99: DayOfSpending(-350, -350)}
    assert burn_down(days, left=100, started_at=50 * DAY, now=100 * DAY).pace == pytest.approx(50)


async def test_spending_comes_from_the_ledger(shop):
    await open_offers(shop, amount=5_000)
    [hold] = (await decide_offers(shop)).holds
    await decide_offers(shop)
    await redeem(shop, hold.id)
    row = await shop.engine.budgets.get(shop.id, "spring", now=now_ms())
    spending = await shop.engine.budgets.spending(shop.id, row, now=now_ms())
    assert sum(day.taken for day in spending.days.values()) == 2_000
    assert sum(day.spent for day in spending.days.values()) == 1_000
    assert spending.course.points[0][1] == 5_000
    assert spending.course.points[-1][1] == 3_000


# The ledger by filter


async def test_the_ledger_is_filtered_by_all_that_an_entry_is_about(shop):
    await open_offers(shop, offer_candidate("first"), offer_candidate("second", position=1))
    first, second = (await decide_offers(shop, "anna")).holds
    await decide_offers(shop, "ben")
    await redeem(shop, first.id)

    async def count(**only):
        return len(await shop.engine.budgets.ledger(shop.id, only=LedgerFilter(**only), limit=50))

    anna = shop.engine.hasher(shop.id, "anna")
    assert await count() == 5
    assert (await count(offer="first"), await count(offer="second")) == (3, 2)
    assert (await count(kind="commit"), await count(kind="hold"), await count(kind="odd")) == (1, 4, 0)
    assert (await count(customer=anna), await count(customer=anna, offer="second", kind="hold")) == (3, 1)
    assert (await count(budget="spring"), await count(budget="other")) == (5, 0)
    [entry] = await shop.engine.budgets.ledger(shop.id, only=LedgerFilter(kind="commit"), limit=1)
    assert (entry.offer, entry.customer, entry.currency, entry.entry.amount) == ("first", anna, "EUR", 1_000)
    assert second.offer == "second"
