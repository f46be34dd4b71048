"""A candidate that is down is taken out of the way within minutes, and comes back when its probes succeed."""

from __future__ import annotations

import numpy as np
import pytest

import bandits
from bandits.evidence.delay import EDGES
from bandits.evidence.outage import PROBES, SUSPEND_AT
from engine.clock import now_ms
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import Curves
from engine.statistics.outages import MinuteRow, State, follow, usual_rates
from engine.store import beliefs as snapshots
from engine.store import folds
from engine.store.folds import MINUTES, MinuteCell, Sums
from tests.factories import METHODS, order

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
COUNTS = dict.fromkeys(METHODS, (20000, 3000)) | {"card": (20_000, 8_000), "paypal": (20_000, 4_000)}


async def add_minutes(shop, *, down, minutes, a_minute=20, until=None):
    """Add minutes up to `until` in which everybody succeeds as usual but those that are down."""
    sums, last = Sums(), (until or now_ms()) // MINUTE
    for name, (trials, successes) in COUNTS.items():
        for minute in range(last - minutes, last):
            won = 0 if name in down else round(a_minute * successes / trials)
            sums.add(MINUTES, MinuteCell(shop.id, "payment_methods", "converted", name, minute), a_minute, won, 0)
    async with shop.engine.database.write() as connection:
        await folds.add(connection, sums)


def chances(shop):
    active = shop.engine.live.get(shop.id, "payment_methods")
    all_numbers = tuple(range(len(METHODS)))
    return dict(zip(active.plan.ids, active.beliefs_for("").first_chances(all_numbers).tolist(), strict=True))


async def test_failing_method_gets_only_probes_and_recovers(shop, monkeypatch):
    await shop.update_state(**COUNTS)
    await add_minutes(shop, down=(), minutes=60, until=now_ms() - 5 * MINUTE)
    await shop.engine.live.watch()
    assert shop.engine.live.outages(shop.id, "payment_methods") == ()
    assert chances(shop)["card"] > 0.9

    await add_minutes(shop, down=("card",), minutes=5)
    await shop.engine.live.watch()
    (outage,) = shop.engine.live.outages(shop.id, "payment_methods")
    assert outage.candidate == "card"
    assert abs(now_ms() - 5 * MINUTE - outage.since) <= 2 * MINUTE
    assert chances(shop)["card"] == pytest.approx(PROBES)
    answer = await shop.decide()
    assert order(answer.decision)[-1] == "card"
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same

    later = now_ms() + 10 * MINUTE
    await add_minutes(shop, down=(), minutes=10, a_minute=5, until=later)
    monkeypatch.setattr("engine.learning.live.now_ms", lambda: later)
    await shop.engine.live.watch()
    assert shop.engine.live.outages(shop.id, "payment_methods") == ()
    assert chances(shop)["card"] > 0.9
    assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same


async def test_each_version_has_its_reason(shop):
    answer = await shop.decide()
    await shop.report(answer, "converted", order(answer.decision)[0])
    await shop.engine.live.refresh()
    await shop.update_state(**COUNTS)
    await add_minutes(shop, down=("card",), minutes=10)
    await shop.engine.live.watch()
    scope = Scope(shop.id, "payment_methods", "converted")
    async with shop.engine.database.read() as connection:
        reasons = [version.reason for version in await snapshots.last_versions(connection, scope, limit=10)]
    assert reasons[0] == "card away"
    assert reasons[-1] == "+1 outcomes"
    insight = await shop.engine.insights.of(shop.id, "payment_methods")
    assert [version.reason for version in insight.versions] == reasons


async def test_decisions_and_outcomes_are_counted_by_the_minute(shop):
    answer = await shop.decide()
    first = order(answer.decision)[0]
    scope, minute = Scope(shop.id, "payment_methods", "converted"), now_ms() // MINUTE - 1
    async with shop.engine.database.read() as connection:
        before = await folds.minute_rows(connection, scope, since=minute)
    assert {row.candidate: row.pending for row in before} == dict.fromkeys(METHODS, 1)
    await shop.report(answer, "converted", first)
    async with shop.engine.database.read() as connection:
        after = {row.candidate: row for row in await folds.minute_rows(connection, scope, since=minute)}
    assert (after[first].trials, after[first].successes) == (1, 1)
    assert not any(row.pending for row in after.values())


async def test_minutes_are_kept_for_two_days(shop):
    await add_minutes(shop, down=(), minutes=3, until=now_ms() - 3 * DAY)
    await shop.engine.purge()
    scope = Scope(shop.id, "payment_methods", "converted")
    async with shop.engine.database.read() as connection:
        assert await folds.minute_rows(connection, scope, since=0) == []


def test_a_rate_from_few_trials_proves_no_outage(instant_curve):
    ids, now = ("card", "paypal"), 10_000 * MINUTE
    usual = usual_rates(ids, {"card": (8, 4), "paypal": (5_000, 1_000)})
    rows = [MinuteRow(name, 9_900 + m, 10, 0 if name == "card" else 2, 0) for name in ids for m in range(100)]
    _, state = follow(State.begin(2, 9_900), ids, rows, usual, instant_curve, now)
    assert not state.watch.suspended.any()


def test_going_on_from_settled_minutes_gives_the_same(instant_curve):
    ids, rng = ("card", "paypal"), np.random.default_rng(0)
    usual = usual_rates(ids, {"card": (5_000, 1_500), "paypal": (5_000, 1_000)})
    rows = [
        MinuteRow(name, minute, 12, int(rng.binomial(12, 0.0 if name == "card" and minute > 900 else 0.25)), 0)
        for name in ids
        for minute in range(1_000)
    ]
    once = follow(State.begin(2, 0), ids, rows, usual, instant_curve, 999 * MINUTE)[1]
    settled, _ = follow(State.begin(2, 0), ids, rows, usual, instant_curve, 700 * MINUTE)
    twice = follow(settled, ids, rows, usual, instant_curve, 999 * MINUTE)[1]
    assert once.watch.suspended.tolist() == twice.watch.suspended.tolist() == [True, False]
    assert once.since.tolist() == twice.since.tolist()
    assert 895 <= once.since[0] <= 903


def looked_at(second, shown, won, delay_seconds):
    """The rows of minutes at an instant: outcomes are known that many seconds later, all others are pending."""
    rows = []
    for minute in range(second // 60 + 1):
        inside = slice(minute * 6, min(minute * 6 + 6, second // 10))
        tried, successes = shown[inside], won[inside]
        arrived = np.arange(inside.start, inside.start + len(tried)) * 10 + 10 + delay_seconds <= second
        arrived_successes = int(successes[arrived].sum())
        rows.append(
            MinuteRow("card", minute, arrived_successes, arrived_successes, int(tried.sum()) - arrived_successes)
        )
    return rows


def test_late_outcomes_delay_an_outage_only_by_their_delay():
    """Nobody reports failures, and successes come two minutes late: the first 40 tries tell nothing."""
    usual, began = np.array([0.36]), 60
    by_bin = np.zeros(len(EDGES), int)
    by_bin[bandits.bin_of(2 * MINUTE)] = 1_000
    curves = Curves(bandits.DelayCurve(by_bin.tolist(), window_ms=60 * MINUTE))
    tries = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        shown = rng.poisson(20 / 6, 70 * 6)
        won = rng.binomial(shown, np.where(np.arange(70 * 6) < began * 6, 0.36, 0.01))
        for second in range(50 * 60, 70 * 60, 10):
            rows = looked_at(second, shown, won, 120)
            _, state = follow(State.begin(1, 0), ("card",), rows, usual, curves, second * 1_000)
            if state.watch.suspended[0]:
                break
        assert second >= began * 60 + 120
        tries.append(shown[began * 6 : second // 10].sum())
    # No test with so few false alarms needs less on average than AWAY over the information of a try (Lorden, 1971).
    information = 0.01 * np.log(0.01 / 0.36) + 0.99 * np.log(0.99 / 0.64)
    assert np.mean(tries) <= 1.1 * (40 + SUSPEND_AT / information)


@pytest.fixture
def instant_curve():
    return Curves(bandits.DelayCurve([100], window_ms=60 * MINUTE))
