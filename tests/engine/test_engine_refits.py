"""Weekly refits of models from the log, going back to the model before, and alarms of predictions that are off."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest
from sqlalchemy import select

from bandits.evaluation.held_out import Fidelity, is_no_worse
from bandits.evidence.residuals import CELLS_A_DAY, ExpectedSuccesses, Residuals
from engine.clock import now_ms
from engine.learning.upkeep.prediction_watch import PredictionWatch
from engine.model.errors import Conflict, NotFound
from engine.model.events.event import PredictionAlert
from engine.model.placement import Contextual
from engine.model.timestamps import DAY, HOUR
from engine.store import audit
from engine.store.events import outbox
from engine.store.tables import beliefs
from tests.factories import candidates, order, placement
from tests.marks import SQLITE, SQLITE_FIRST
from tests.shop import Shop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
POLICY = Contextual(("device.type",), affinity=False, floor=0.5)
RATES = {("mobile", "paypal"): 0.8, ("desktop", "paypal"): 0.3, ("mobile", "card"): 0.4, ("desktop", "card"): 0.6}


class Days:
    """Lets days pass in which customers buy at fixed rates."""

    def __init__(self, shop: Shop, patch: pytest.MonkeyPatch) -> None:
        self.shop = shop
        self.now = now_ms() // DAY * DAY + HOUR
        self._random = np.random.default_rng(7)
        patch.setattr("time.time_ns", lambda: self.now * 1_000_000)

    async def pass_by(self, count: int, *, daily: int = 12) -> None:
        live = self.shop.engine.live
        for _ in range(count):
            self.now = (self.now // DAY + 1) * DAY + HOUR
            for _ in range(daily):
                self.now += HOUR // 4
                device = str(self._random.choice(["mobile", "desktop"]))
                answer = await self.shop.decide(device_type=device)
                first = order(answer.decision)[0]
                buys = self._random.random() < RATES[device, first]
                await self.shop.report(answer, "converted" if buys else "abandoned", first if buys else None)
            self.now = (self.now // DAY + 1) * DAY - 1_000
            await self.shop.engine.recorder.close_due(self.now)
            await live.refresh(at_once=True)

    async def refit(self) -> int:
        return await self.shop.engine.refitter.run(now=self.now)


@pytest.fixture
async def days(empty_shop, monkeypatch):
    await empty_shop.add_placement(placement(policy=POLICY, credit="first"), *candidates("card", "paypal"))
    return Days(empty_shop, monkeypatch)


async def reasons(shop):
    async with shop.engine.database.read() as connection:
        query = select(beliefs.c.reason).order_by(beliefs.c.version)
        return list((await connection.execute(query)).scalars())


def model(shop, engine=None):
    return (engine or shop.engine).live.get(shop.id, "payment_methods").snapshots[""].knowledge.contextual


@SQLITE
async def test_refit_requires_a_week_of_test_data(days):
    assert await days.refit() == 0
    await days.pass_by(5)
    assert await days.refit() == 0
    assert await days.shop.engine.refitter.page(days.shop.id, "payment_methods") == []


@SQLITE_FIRST
async def test_a_refit_that_predicts_no_worse_replaces_the_model(days, monkeypatch):
    monkeypatch.setattr("engine.learning.upkeep.refitter.is_no_worse", lambda new, old: True)
    await days.pass_by(12)
    before = model(days.shop)
    answer = await days.shop.decide(device_type="mobile")
    assert await days.refit() == 1
    [refit] = await days.shop.engine.refitter.page(days.shop.id, "payment_methods")
    assert refit.state == "accepted"
    before_fit, after_fit = refit.result.before, refit.result.after
    assert (before_fit.trials, before_fit.successes) == (after_fit.trials, after_fit.successes)
    assert refit.result.last_day - refit.result.first_day == 6
    assert before_fit.log_loss == pytest.approx(after_fit.log_loss, abs=0.02)
    assert (await reasons(days.shop))[-1] == "refit from the log"
    # The refit has learned from as many trials as the model that it replaces, up to the newest.
    after = model(days.shop)
    assert after.cursor == before.cursor
    trials = [sum(factor.trials for factor in state.evidence().factors.values()) for state in (before, after)]
    assert trials[1] == pytest.approx(trials[0], rel=1e-6)
    assert (await days.shop.engine.logbook.replay(days.shop.id, answer.decision.decision_id)).same
    assert await days.refit() == 0


@SQLITE
async def test_a_refit_that_predicts_worse_is_left_out(days, monkeypatch):
    monkeypatch.setattr("engine.learning.upkeep.refitter.is_no_worse", lambda new, old: False)
    await days.pass_by(12)
    before = model(days.shop)
    assert await days.refit() == 0
    [refit] = await days.shop.engine.refitter.page(days.shop.id, "payment_methods")
    assert (refit.version, refit.state) == (0, "left_out")
    assert model(days.shop) == before
    with pytest.raises(Conflict, match="no refit is in force"):
        await days.shop.engine.refitter.go_back(days.shop.actor(), "payment_methods")


async def replaced(days, monkeypatch):
    monkeypatch.setattr("engine.learning.upkeep.refitter.is_no_worse", lambda new, old: True)
    await days.pass_by(12)
    before = model(days.shop)
    assert await days.refit() == 1
    return before


@SQLITE
async def test_revert_keeps_later_observations(days, monkeypatch):
    before = await replaced(days, monkeypatch)
    answer = await days.shop.decide(device_type="mobile")
    await days.shop.engine.refitter.go_back(days.shop.actor("ines"), "payment_methods", reason="looked odd")
    assert model(days.shop).factors == before.factors
    assert (await reasons(days.shop))[-1] == "returned to the model before the refit"
    assert (await days.shop.engine.logbook.replay(days.shop.id, answer.decision.decision_id)).same
    with pytest.raises(Conflict, match="no refit is in force"):
        await days.shop.engine.refitter.go_back(days.shop.actor(), "payment_methods")
    with pytest.raises(NotFound):
        await days.shop.engine.refitter.go_back(days.shop.actor(), "elsewhere")
    async with days.shop.engine.database.read() as connection:
        back, refit, *_ = await audit.page(connection, days.shop.id)
    assert (refit.actor, refit.action, refit.subject) == ("engine", "refitted", "placement payment_methods")
    assert (back.actor, back.action, back.reason) == ("ines", "undid refit", "looked odd")


@SQLITE
async def test_earlier_model_learns_observations_after_the_refit(days, monkeypatch):
    await replaced(days, monkeypatch)
    await days.pass_by(2)
    refitted = model(days.shop)
    await days.shop.engine.refitter.go_back(days.shop.actor(), "payment_methods")
    assert model(days.shop).cursor == refitted.cursor


@SQLITE
async def test_a_process_with_the_old_model_does_not_undo_a_refit(days, start_engine, monkeypatch):
    monkeypatch.setattr("engine.learning.upkeep.refitter.is_no_worse", lambda new, old: True)
    await days.pass_by(12)
    other = await start_engine()
    read_others = other.live.read_others
    monkeypatch.setattr(other.live, "read_others", lambda: asyncio.sleep(0))
    assert await days.refit() == 1
    refitted = model(days.shop)
    answer = await days.shop.decide(device_type="mobile")
    await days.shop.report(answer, "converted", order(answer.decision)[0])
    # It learns on from the model that was replaced, and has not read the new one yet.
    other.live.add_new_trials({(days.shop.id, "payment_methods", "converted", ""): 1})
    await other.live.refresh(at_once=True)
    assert (await reasons(days.shop))[-1] == "refit from the log"
    await read_others()
    assert model(days.shop, other) == refitted
    await other.live.refresh(at_once=True)
    assert model(days.shop, other).cursor > refitted.cursor


async def test_two_processes_refit_once(days, start_engine, monkeypatch):
    monkeypatch.setattr("engine.learning.upkeep.refitter.is_no_worse", lambda new, old: True)
    await days.pass_by(12)
    other = await start_engine()
    done = await asyncio.gather(days.refit(), other.refitter.run(now=days.now))
    assert sorted(done) == [0, 1]
    assert (await reasons(days.shop)).count("refit from the log") == 1


# Alarms


def with_results(shop, *, expected):
    """Make the model's recent predictions what they are given to be: `expected` of 100 successes a day."""
    active = shop.engine.live.get(shop.id, "payment_methods")
    today = now_ms() // DAY
    sums = ExpectedSuccesses(400.0, 100.0, expected, 75.0, 0.0)
    cells = {day * CELLS_A_DAY: sums for day in range(today - 7, today)}
    residuals = Residuals({"card": cells}, today * CELLS_A_DAY)
    snapshot = active.snapshots[""]
    state = msgspec.structs.replace(snapshot.knowledge.contextual, residuals=residuals)
    active.snapshots[""] = snapshot._replace(knowledge=msgspec.structs.replace(snapshot.knowledge, contextual=state))


async def alerts(shop):
    async with shop.engine.database.read() as connection:
        rows = await outbox.page(connection, shop.id, after=0, type="predictions.off", limit=10)
    return [msgspec.json.decode(row.body, type=PredictionAlert) for row in rows]


@SQLITE
async def test_inaccurate_predictions_are_reported_once(days, start_engine):
    await days.pass_by(1)
    shop, watch = days.shop, days.shop.engine.prediction_watch
    with_results(shop, expected=101.0)
    assert (await watch.run(now=days.now), watch.count) == (0, 0)
    with_results(shop, expected=160.0)
    assert (await watch.run(now=days.now), watch.count) == (1, 1)
    assert (await watch.run(now=days.now), watch.count) == (0, 1)
    # Another process sees the same and says nothing.
    again = PredictionWatch(shop.engine.database, shop.engine.live)
    assert (await again.run(now=days.now), again.count) == (0, 1)
    [alert] = await alerts(shop)
    assert alert.placement == "payment_methods"
    off = {(week.candidate_id, week.expected, week.successes) for week in alert.weeks}
    assert off == {(None, 1120.0, 700.0), ("card", 1120.0, 700.0)}
    with_results(shop, expected=101.0)
    await watch.run(now=days.now)
    with_results(shop, expected=160.0)
    assert await watch.run(now=days.now) == 1
    assert len(await alerts(shop)) == 2


def test_sums_that_are_off_leave_a_refit_out():
    old = Fidelity(1000.0, 0.30, 100.0, 104.0, 90.0)
    assert is_no_worse(old, old)
    assert is_no_worse(old._replace(log_loss=0.29, expected=110.0), old)
    assert not is_no_worse(old._replace(log_loss=0.31), old)
    assert not is_no_worse(old._replace(log_loss=0.29, expected=150.0), old)
