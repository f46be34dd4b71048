"""From counts to what is known: evidence fades, late outcomes are waited for, buckets learn from each other."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import delete

import bandits
from bandits.evidence.delay import EDGES, bin_of
from engine.clock import now_ms
from engine.decisions import rebuild
from engine.learning.beliefs_reader import delay_curves
from engine.learning.fit import fit_from, fit_placement
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import (
    Curves,
    DayRow,
    EvidenceSettings,
    Fit,
    PendingRow,
    arm_beliefs,
    child_priors,
    memory,
)
from engine.store import folds
from engine.store.folds import STATISTICS, WAITING, Cell, SiblingRow, Sums, WaitingCell
from tests.factories import METHODS, order, placement

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
TODAY = 20_000
NOW = TODAY * DAY + DAY // 2


def day(candidate, trials, successes, *, on_day=TODAY, slot=0):
    return DayRow(candidate, slot, on_day, trials, successes, 0, 0)


def reading(*, half_life=90.0, examination=(), memory=None, window=60):
    evenly = [1_000 if edge < window * MINUTE else 0 for edge in EDGES]
    curve = bandits.DelayCurve(evenly, window_ms=window * MINUTE)
    return EvidenceSettings(half_life, examination, Curves(curve), memory or {}, NOW, 1)


def test_evidence_of_one_half_life_ago_counts_half():
    rows = [day("card", 100, 40, on_day=TODAY - 30), day("card", 100, 10)]
    learned = arm_beliefs(rows, [], {}, reading(half_life=30.0))["card"]
    assert (learned.trials, learned.successes) == pytest.approx((150, 30))


def test_older_pending_decisions_count_more_as_failures():
    counted = []
    for age in (0, 15, 30, 61):
        pending = [PendingRow("card", 0, NOW // MINUTE - age, 100)]
        counted.append(arm_beliefs([day("card", 100, 20)], pending, {}, reading())["card"].trials)
    assert counted == sorted(counted)
    assert counted[0] == pytest.approx(100)
    assert counted[-1] == pytest.approx(200, abs=0.5)


def test_a_step_counts_at_the_age_of_its_middle():
    pending = [PendingRow("card", 0, NOW // MINUTE - 30, 100)]
    one_by_one = [PendingRow("card", 0, NOW // MINUTE - age, 10) for age in range(30, 10, -2)]
    together = arm_beliefs([], pending, {}, reading()._replace(step=20))["card"].trials
    assert together == pytest.approx(
        arm_beliefs([], one_by_one, {}, reading()._replace(step=2))["card"].trials, rel=0.02
    )


def test_a_trial_in_a_rarely_examined_slot_counts_little():
    rows = [day("card", 100, 10, slot=1), day("ideal", 100, 10, slot=2)]
    learned = arm_beliefs(rows, [], {}, reading(examination=(1.0, 0.25)))
    assert learned["card"].trials == pytest.approx(100)
    assert learned["ideal"].trials < 45


def test_evidence_before_a_jump_is_forgotten():
    days = range(TODAY - 20, TODAY)
    jumped = [day("card", 500, 200 if moment < TODAY - 10 else 25, on_day=moment) for moment in days]
    steady = [day("ideal", 500, 50, on_day=moment) for moment in days]
    remembered = memory([*jumped, *steady], (), before_day=TODAY)
    learned = arm_beliefs([*jumped, *steady], [], {}, reading(half_life=10_000, memory=remembered))
    assert learned["card"].successes / learned["card"].trials == pytest.approx(0.05, abs=0.01)
    assert learned["ideal"].trials < 6_000


def test_weekends_and_sales_cause_no_forgetting():
    rng = np.random.default_rng(0)
    rates = {"card": 0.30, "ideal": 0.25, "klarna": 0.15}
    rows = [
        day(
            name,
            2_000,
            int(rng.binomial(2_000, rate * (1.25 if moment % 7 >= 5 else 1.5 if moment > TODAY - 9 else 1))),
            on_day=moment,
        )
        for name, rate in rates.items()
        for moment in range(TODAY - 60, TODAY)
    ]
    assert memory(rows, (), before_day=TODAY) == {}


def test_incomplete_day_is_not_tested():
    rows = [day("card", 500, 200, on_day=TODAY - 1), day("card", 500, 5)]
    assert memory(rows, (), before_day=TODAY) == {}


def test_a_bucket_starts_from_the_prior_of_all_buckets():
    parents = arm_beliefs([day("card", 1_000, 300)], [], {}, reading())
    new = arm_beliefs([], [], child_priors(parents, 25.0), reading())["card"]
    assert (new.trials, new.successes, new.strength) == (0, 0, 25.0)
    assert new.mean == pytest.approx(0.3, abs=0.01)


def test_similar_buckets_share_more_than_different_ones():
    alike = [SiblingRow("card", f"bucket {n}", 1_000, 300 + n) for n in range(10)]
    unlike = [SiblingRow("card", f"bucket {n}", 1_000, 50 + 90 * n) for n in range(10)]
    assert fit_from(alike, [], [], []).bucket_strength > 5 * fit_from(unlike, [], [], []).bucket_strength


def test_without_rows_strengths_keep_their_defaults():
    fit = fit_from([], [SiblingRow("card", "customer", 3, 3)], [], [])
    assert (fit.bucket_strength, fit.customer_strength) == (10.0, bandits.CUSTOMER_STRENGTH)
    assert fit.examination == ()


def test_examination_is_fitted_to_the_log():
    looked_at = (1.0, 0.6, 0.3)
    rows = [
        day(name, 20_000, round(20_000 * rate * seen), slot=slot)
        for name, rate in {"card": 0.3, "ideal": 0.2, "klarna": 0.1}.items()
        for slot, seen in enumerate(looked_at, start=1)
    ]
    assert fit_from([], [], rows, []).examination == pytest.approx(looked_at, abs=0.03)


async def test_a_stored_fit_is_used_from_then_on(empty_shop):
    shop = empty_shop
    await shop.add_placement(placement(buckets=("device.type",)))
    for device, rate in {"mobile": 0.30, "desktop": 0.31, "tablet": 0.29}.items():
        await shop.update_state(device, card=(10_000, round(10_000 * rate)), ideal=(10_000, round(9_000 * rate)))
    await shop.engine.fit()
    await shop.update_state("mobile", card=(1_000, 300))
    learned = shop.engine.live.get(shop.id, "payment_methods").snapshots["mobile"].knowledge
    assert learned.arms["card"].strength == pytest.approx(100.0)


async def test_evidence_is_read_for_ten_half_lives(empty_shop):
    shop = empty_shop
    await shop.add_placement(placement(half_life_days=1.0))
    sums, today = Sums(), now_ms() // DAY
    for name, age in {"card": 5, "ideal": 12}.items():
        cell = Cell(shop.id, "payment_methods", "converted", "", name, 0, today - age)
        sums.add(STATISTICS, cell, 32_000, 3_200, 0, 0)
    async with shop.engine.database.write() as connection:
        await folds.add(connection, sums)
    await shop.update_state(klarna=(1, 0))
    arms = shop.engine.live.get(shop.id, "payment_methods").snapshots[""].knowledge.arms
    assert arms["card"].trials == pytest.approx(1_000.0, rel=0.01)
    assert "ideal" not in arms


async def test_with_credit_by_position_trials_are_counted_by_slot(empty_shop):
    shop = empty_shop
    await shop.add_placement(placement(credit="position"))
    answer = await shop.decide()
    second = order(answer.decision)[1]
    await shop.report(answer, "converted", second)
    async with shop.engine.database.read() as connection:
        rows = await folds.days(connection, (shop.id, "payment_methods", "converted"), bucket=None, since_day=0)
    assert {row.candidate: row.slot for row in rows} == {
        name: slot for slot, name in enumerate(order(answer.decision), start=1)
    }
    assert [row.successes for row in rows if row.candidate == second] == [1]
    assert await rebuild.compare(shop.engine.database) == []


async def _with_a_row_for_each_candidate(database):
    """Store pending trials as earlier versions did."""
    async with database.write() as connection:
        (cell,) = (await folds.stored(connection)).of[WAITING.name].items()
        await connection.execute(delete(WAITING.table))
        sums = Sums()
        for each in WaitingCell(*cell[0]).of_each():
            sums.add(WAITING, each, *cell[1])
        await folds.add(connection, sums)


@pytest.mark.parametrize("stored", ["now", "earlier"])
async def test_decision_is_pending_until_its_outcome_or_close(shop, stored):
    async def pending():
        async with shop.engine.database.read() as connection:
            rows = await folds.waiting_trials(connection, (shop.id, "payment_methods", "converted"), bucket=None)
        return {row.candidate: row.trials for row in rows}

    answer, other = await shop.decide(), await shop.decide()
    if stored == "earlier":
        await _with_a_row_for_each_candidate(shop.engine.database)
    assert await pending() == dict.fromkeys(METHODS, 2)
    assert await rebuild.compare(shop.engine.database) == []
    await shop.report(answer, "converted", order(answer.decision)[0])
    assert await pending() == dict.fromkeys(METHODS, 1)
    await shop.report(other, "selected", order(other.decision)[0])
    assert await pending() != {}
    await shop.engine.recorder.close_due(now_ms() + 2 * 60 * MINUTE)
    assert await pending() == {}
    assert await rebuild.compare(shop.engine.database) == []


async def test_pending_decisions_show_delays_before_any_window_closes(empty_shop):
    shop, month = empty_shop, placement(window_minutes=60 * 24 * 30)
    await shop.add_placement(month)
    for _ in range(20):
        await shop.report(answer := await shop.decide(), "converted", order(answer.decision)[0])
        await shop.decide()
    common_curve = delay_curves(Fit(), month).common
    fit = await fit_placement(shop.engine.database, shop.id, month, now_ms() + 15 * DAY)
    assert sum(row.successes for row in fit.pending) == sum(row.failures for row in fit.pending) == 20
    assert delay_curves(fit, month).common.share(10 * MINUTE) > 0.8 > common_curve.share(10 * MINUTE)
    assert fit.delays == ()
    assert await rebuild.compare(shop.engine.database) == []


async def test_pending_decisions_are_not_read_once_enough_windows_closed(empty_shop):
    await empty_shop.add_placement()
    sums = folds.Sums()
    sums.add(folds.DELAYS, folds.DelayCell(empty_shop.id, "payment_methods", "converted", 5, TODAY), 1_000, 0)
    async with empty_shop.engine.database.write() as connection:
        await folds.add(connection, sums)
    await empty_shop.report(answer := await empty_shop.decide(), "converted", order(answer.decision)[0])
    fit = await fit_placement(empty_shop.engine.database, empty_shop.id, placement(), now_ms())
    assert (fit.delays, fit.pending) == (((5, 1_000, 0),), ())


async def test_cost_of_exploration_falls_with_evidence(shop):
    cost = []
    for times in (1, 100):
        await shop.update_state(**dict.fromkeys(METHODS, (10 * times, 2 * times)) | {"card": (10 * times, 4 * times)})
        insight = await shop.engine.insights.of(shop.id, "payment_methods")
        cost.append(insight.regret)
    assert cost[0] > 3 * cost[1] > 0


def test_a_move_to_a_better_slot_is_no_jump():
    days = [day("card", 2_000, 300 if moment < TODAY - 10 else 600, on_day=moment, slot=2 if moment < TODAY - 10 else 1)
            for moment in range(TODAY - 20, TODAY)]  # fmt: skip
    assert memory(days, (1.0, 0.5), before_day=TODAY) == {}
    assert memory(days, (), before_day=TODAY) != {}


async def test_delays_are_specific_to_the_candidate(empty_shop):
    week = placement(window_minutes=7 * 24 * 60)
    await empty_shop.add_placement(week)
    quick, slow = bin_of(5 * MINUTE), bin_of(2 * DAY)
    sums = folds.Sums()
    for candidate, bin in (("card", quick), ("klarna", slow)):
        sums.add(folds.DELAYS, folds.DelayCell(empty_shop.id, "payment_methods", "converted", bin, TODAY), 600, 0)
        cell = folds.ArrivalCell(empty_shop.id, "payment_methods", "converted", candidate, bin, TODAY)
        sums.add(folds.ARRIVALS, cell, 600)
    async with empty_shop.engine.database.write() as connection:
        await folds.add(connection, sums)
    fit = await fit_placement(empty_shop.engine.database, empty_shop.id, week, NOW)
    curves = delay_curves(fit, week)
    assert curves.share_since("card", DAY, 0) > 0.95
    assert curves.share_since("klarna", DAY, 0) < 0.05
    assert 0.3 < curves.share_since("ideal", DAY, 0) < 0.7

    pending = [PendingRow(name, 0, (NOW - DAY) // MINUTE, 1_000) for name in ("card", "klarna")]
    settings = EvidenceSettings(90.0, (), curves, {}, NOW, 1)
    beliefs = arm_beliefs([day("card", 100, 20), day("klarna", 100, 20)], pending, {}, settings)
    assert beliefs["card"].trials > 900
    assert beliefs["klarna"].trials < 150


def test_without_candidate_delays_one_curve_is_used():
    fit = Fit(delays=((5, 500, 0),), arrivals=(("card", 5, 10),))
    assert delay_curves(fit, placement()).by_candidate == {}


async def test_a_fit_counts_trials_with_and_without_an_outcome(shop):
    answer = await shop.decide()
    first = order(answer.decision)[0]
    await shop.report(answer, "converted", first)
    for _ in range(3):
        await shop.decide()
    fit = await fit_placement(shop.engine.database, shop.id, placement(), now_ms() + 10 * MINUTE)
    assert fit.settled[first] == (1, 1)
    for name in METHODS:
        ((age, count),) = fit.unresolved[name]
        assert (count, abs(age - bin_of(10 * MINUTE)) <= 1) == (3, True)
