"""Durations of decisions are counted by hour, and slow decisions raise one alert."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest

from engine.clock import now_ms, simulated_time
from engine.model.events.event import MetricAlert
from engine.model.timestamps import DAY, HOUR
from engine.statistics.durations import bin_of, p95_of, upper_end
from engine.store.events import outbox
from engine.store.metrics import decision_times
from engine.store.metrics.hours import HourSpan
from tests.shop import Shop

PLACEMENT = "payment_methods"


def test_bin_has_a_width_of_nine_percent():
    for milliseconds in range(1, 100_000, 7):
        end = upper_end(bin_of(milliseconds))
        assert milliseconds < end <= 1.091 * (milliseconds + 1)
    assert bin_of(0) == bin_of(-5) == 0, "clocks are set back"


def test_the_quantile_is_that_of_the_durations():
    luck, counts = random.Random(3), {}
    durations = [round(luck.lognormvariate(3, 1)) for _ in range(20_000)]
    for each in durations:
        counts[bin_of(each)] = counts.get(bin_of(each), 0) + 1
    exact = sorted(durations)[19_000]
    assert exact <= p95_of(counts) <= 1.12 * exact
    assert p95_of({}) == 0.0


async def _alerts(shop: Shop) -> list[MetricAlert]:
    async with shop.engine.database.read() as connection:
        rows = await outbox.page(connection, shop.id, after=0, type="metric.alert", limit=10)
    return [msgspec.json.decode(row.body, type=MetricAlert) for row in rows]


async def _add(shop: Shop, now: int, milliseconds: int, times: int) -> None:
    for _ in range(times):
        shop.engine.use_counter.time(shop.id, PLACEMENT, decided_at=now, milliseconds=milliseconds)
    await shop.engine.use_counter.flush()


@pytest.mark.anyio
async def test_a_decision_is_counted_once_with_its_duration(shop: Shop) -> None:
    answer = await shop.decide("ada")
    await shop.engine.use_counter.flush()
    await shop.engine.use_counter.flush()
    hour = int(answer.decision.decision_id[4:16], 16) // HOUR
    async with shop.engine.database.read() as connection:
        counts = await decision_times.counts(connection, HourSpan(shop.id, PLACEMENT, hour, hour + 1))
    assert sum(counts.values()) == 1


@pytest.mark.anyio
async def test_simulated_clock_records_no_durations(shop: Shop) -> None:
    """The demo's past has a simulated clock: its durations would look slow for a week."""
    clock = itertools.count(now_ms() - HOUR, 60_000)
    with simulated_time(clock.__next__):
        await shop.decide("ada")
    await shop.engine.use_counter.flush()
    assert await shop.engine.dashboards.durations(shop.id, PLACEMENT, now=now_ms()) == {}
    await shop.decide("ada")
    await shop.engine.use_counter.flush()
    [hour] = (await shop.engine.dashboards.durations(shop.id, PLACEMENT, now=now_ms())).values()
    assert sum(hour.values()) == 1


@pytest.mark.anyio
async def test_slow_decisions_raise_one_alert(shop: Shop) -> None:
    watch, now = shop.engine.metric_watch, 1_000 * DAY
    slow = shop.engine.settings.decision_timeout_ms
    await _add(shop, now - DAY, 10, 1_000)
    await _add(shop, now, 10, 90)
    await _add(shop, now, slow, 4)
    assert await watch.run(now=now) == 0, "19 in 20 are fast"
    await _add(shop, now, slow, 6)
    assert await watch.run(now=now) == 1
    assert await watch.run(now=now + 60_000) == 0, "no alert twice"
    [alert] = await _alerts(shop)
    assert (alert.placement, alert.kind, alert.since_hour) == (PLACEMENT, "latency", now // HOUR - 1)
    assert slow < alert.value < 1.1 * slow
    assert 10 < alert.usual < 12
    assert await watch.run(now=now + 2 * DAY) == 0
    await _add(shop, now + 2 * DAY, slow, 60)
    assert await watch.run(now=now + 2 * DAY) == 1, "it was over meanwhile"


@pytest.mark.anyio
async def test_few_decisions_raise_no_alert(shop: Shop) -> None:
    await _add(shop, 1_000 * DAY, 1_000_000, 49)
    assert await shop.engine.metric_watch.run(now=1_000 * DAY) == 0
