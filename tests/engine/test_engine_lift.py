"""The lift over the holdback: its interval counts returning customers once, and alarms tell chance from trouble."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from benchmarks.checks.dashboard import coverage
from engine.metrics.dashboard import Dashboards, TimeSpan
from engine.metrics.metric_watch import MetricWatch
from engine.model.events.event import MetricAlert
from engine.model.timestamps import DAY, HOUR
from engine.statistics.alarms import alarms
from engine.statistics.lift import CLUSTERS, lift_of
from engine.statistics.metric_totals import MetricTotals
from engine.store import folds
from engine.store.events import outbox
from engine.store.folds import HOURS, Sums
from engine.store.metrics.hours import HourCell
from tests.shop import Shop


def arm(rate: float, *, decisions: int = 4_000, spread: float = 0.01, seed: int = 1) -> dict[str, MetricTotals]:
    """Return an arm whose clusters buy at rates that differ by chance."""
    random, each = np.random.default_rng(seed), decisions // CLUSTERS
    rates = np.clip(random.normal(rate, spread, CLUSTERS), 0, 1)
    return {
        f"{number:02}": MetricTotals(decisions=each, converted=round(each * share), revenue=round(each * share * 5_000))
        for number, share in enumerate(rates)
    }


def test_large_difference_is_significant_and_small_is_not():
    sure, unsure = lift_of("conversion", arm(0.5), arm(0.4, seed=2)), lift_of("conversion", arm(0.5), arm(0.5, seed=2))
    assert sure is not None
    assert sure.is_sure
    assert sure.difference == pytest.approx(0.1, abs=0.01)
    assert sure.low < 0.1 < sure.high
    assert unsure is not None
    assert not unsure.is_sure


def test_returning_customers_widen_the_interval():
    once, often = (
        lift_of("conversion", arm(0.5, spread=spread), arm(0.4, spread=spread, seed=2)) for spread in (0.01, 0.05)
    )
    assert once is not None
    assert often is not None
    assert often.high - often.low > 3 * (once.high - once.low)


@pytest.mark.parametrize(("decisions", "rate"), [(40, 0.5), (4_000, 0.0005)])
def test_too_few_holdback_decisions_or_purchases_give_no_lift(decisions, rate):
    assert lift_of("conversion", arm(0.5), arm(rate, decisions=decisions, spread=0.0)) is None


def test_amounts_need_more_purchases_than_shares():
    small = arm(0.4, decisions=600, seed=2)
    assert lift_of("conversion", arm(0.5), small) is not None
    assert lift_of("revenue", arm(0.5), small) is None


def test_without_a_holdback_there_is_no_lift():
    assert lift_of("conversion", arm(0.5), {}) is None


@pytest.mark.long
def test_intervals_have_nominal_coverage_with_returning_customers():
    shares = coverage(np.random.default_rng(3), months=300, sigma=1.5)
    assert all(0.91 < share < 0.99 for share in shares.values()), shares


# Alarms

LAST = 1_000


def usual(hours: int = 29 * 24 + 2, *, decisions: int = 100, rate: float = 0.5) -> dict[int, MetricTotals]:
    """Return hours that end at LAST, in which checkouts end in purchases as usual."""
    random = np.random.default_rng(7)
    return {
        LAST - back: MetricTotals(decisions=decisions, converted=int(random.binomial(decisions, rate)))
        for back in range(1, hours + 1)
    }


def kinds(hours: dict[int, MetricTotals]) -> list[str]:
    return [alarm.kind for alarm in alarms(hours, last=LAST, window_hours=1)]


def changed(hours: dict[int, MetricTotals], count: int, **values: int) -> dict[int, MetricTotals]:
    return hours | {LAST - back: hours[LAST - back]._replace(**values) for back in range(1, count + 1)}


def test_a_usual_day_raises_no_alarm():
    assert kinds(usual()) == []
    assert kinds({}) == []


def test_fallbacks_of_the_last_hours_raise_an_alarm():
    assert kinds(changed(usual(), 1, fallbacks=20)) == ["fallbacks"]
    assert kinds(changed(usual(), 3, fallbacks=1)) == []


def test_missing_outcomes_raise_an_alarm_only_if_expected():
    assert "outcomes_stopped" in kinds(changed(usual(), 4, converted=0))
    assert "outcomes_stopped" not in kinds(changed(usual(rate=0.02), 4, converted=0))


@pytest.mark.parametrize("converted", [35, 65])
def test_a_day_outside_the_band_of_its_past_raises_an_alarm(converted):
    assert kinds(changed(usual(), 25, converted=converted)) == ["conversion"]


def test_a_shop_whose_days_always_vary_raises_no_alarm():
    hours = {hour: totals._replace(converted=40 if hour // 24 % 2 else 60) for hour, totals in usual().items()}
    assert kinds(hours) == []


# Reading


@pytest.mark.anyio
async def test_a_dashboard_has_the_span_and_the_time_before(shop: Shop) -> None:
    dashboards = Dashboards(shop.engine.database)
    answer = await shop.decide("ada", device_type="mobile")
    await shop.report(answer, "converted", "card", amount=900)
    now = answer_time(answer.decision.decision_id)
    today = await dashboards.of(shop.id, "payment_methods", TimeSpan(now - DAY, now + 1, DAY))
    assert (today.totals.decisions, today.totals.revenue, today.before.decisions) == (1, 900, 0)
    assert today.parts["device"]["mobile"].converted == 1
    assert today.lifts == {}
    tomorrow = await dashboards.of(shop.id, "payment_methods", TimeSpan(now + HOUR, now + DAY, DAY))
    assert (tomorrow.totals.decisions, tomorrow.before.decisions) == (0, 1)
    assert (await dashboards.of(shop.id, "offers", TimeSpan(now - DAY, now + 1, DAY))).totals == MetricTotals()


async def _fallbacks(shop: Shop, hour: int, count: int) -> None:
    """Add fallbacks to the sums of an hour, as decisions would."""
    sums = Sums()
    sums.add(
        HOURS, HourCell(shop.id, "payment_methods", "", hour, "", ""), *MetricTotals(decisions=count, fallbacks=count)
    )
    async with shop.engine.database.write() as connection:
        await folds.add(connection, sums)


async def _alerts(shop: Shop) -> list[MetricAlert]:
    async with shop.engine.database.read() as connection:
        rows = await outbox.page(connection, shop.id, after=0, type="metric.alert", limit=10)
    return [msgspec.json.decode(row.body, type=MetricAlert) for row in rows]


@pytest.mark.anyio
async def test_alarm_is_reported_once_until_it_ends(shop: Shop) -> None:
    watch, now = shop.engine.metric_watch, 1_000 * DAY
    assert await watch.run(now=now) == 0
    await _fallbacks(shop, now // HOUR, 30)
    assert await watch.run(now=now) == 1
    assert await watch.run(now=now + 60_000) == 0
    assert await _alerts(shop) == [MetricAlert("payment_methods", "fallbacks", 1.0, 0.0, now // HOUR - 2)]
    # It is over, but not a day old, so that it is still the same thing.
    assert await watch.run(now=now + 6 * HOUR) == 0
    await _fallbacks(shop, now // HOUR + 12, 30)
    assert await watch.run(now=now + 12 * HOUR) == 0
    assert await watch.run(now=now + 2 * DAY) == 0
    await _fallbacks(shop, now // HOUR + 72, 30)
    assert await watch.run(now=now + 3 * DAY) == 1
    assert len(await _alerts(shop)) == 2


@pytest.mark.anyio
async def test_two_processes_raise_an_alarm_once(shop: Shop) -> None:
    now = 1_000 * DAY
    await _fallbacks(shop, now // HOUR, 30)
    other = MetricWatch(shop.engine.database, shop.engine.live, shop.engine.dashboards)
    counts = await asyncio.gather(shop.engine.metric_watch.run(now=now), other.run(now=now))
    assert sum(counts) == 1
    assert len(await _alerts(shop)) == 1


def answer_time(decision_id: str) -> int:
    return int(decision_id[4:16], 16)
