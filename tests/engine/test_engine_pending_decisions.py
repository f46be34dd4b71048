"""Pending decisions of a placement that learns from facts, weighted by the share of arrived outcomes."""

from __future__ import annotations

import pytest

import bandits
from engine.clock import now_ms
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.learning.fit import fit_placement
from engine.learning.pending_decisions import MOST_OF_A_STEP, read_pending_trials
from engine.model.placement import Contextual
from engine.model.scope import Scope
from engine.model.timestamps import MINUTE
from engine.statistics.evidence import Curves
from tests.factories import candidates, order, placement

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
TWO = candidates("card", "paypal")
CURVE = bandits.DelayCurve([3, 1, 4, 1, 5] * 10, window_ms=60 * MINUTE)


@pytest.fixture
async def store(empty_shop):
    await empty_shop.add_placement(placement(policy=Contextual(("device.type",))), *TWO)
    return empty_shop


async def decide_many(shop, count, device="mobile"):
    return [await shop.decide(device_type=device) for _ in range(count)]


async def learn(shop, monkeypatch, *, minutes=0):
    """Fit delays and make beliefs as it would be done so many minutes from now."""
    later = now_ms() + minutes * MINUTE
    settings = shop.engine.live.get(shop.id, "payment_methods").plan.placement
    await fit_placement(shop.engine.database, shop.id, settings, later)
    monkeypatch.setattr("engine.learning.live.now_ms", lambda: later)
    shop.engine.live.add_new_trials({(shop.id, "payment_methods", "converted", ""): 1})
    await shop.engine.live.refresh(at_once=True)


def beliefs(shop) -> ContextualBeliefs:
    made = shop.engine.live.get(shop.id, "payment_methods").beliefs_for("")
    assert isinstance(made, ContextualBeliefs)
    return made


def rates(shop):
    made = beliefs(shop)
    return made.weights((0, 1)).score(made.features({"device.type": "mobile"}, {}, (0, 1)))[1][0]


async def pending_weights(shop, *, minutes=0):
    """Trials that wait, and what they count for, by candidate."""
    active = shop.engine.live.get(shop.id, "payment_methods")
    scope, now = Scope(shop.id, "payment_methods", "converted"), now_ms() + minutes * MINUTE
    result = await read_pending_trials(
        shop.engine.database, scope, active.plan.encoding, active.learning, Curves(CURVE), now
    )
    return {name: (item.trials.sum(), item.shares.max()) for name, item in result.items()}


async def test_pending_decisions_count_as_failures_by_age(store, monkeypatch):
    answers = await decide_many(store, 40)
    for answer in answers[:8]:
        await store.report(answer, "converted", "paypal")
    seen = []
    for minutes in (0, 20, 50):
        await learn(store, monkeypatch, minutes=minutes)
        seen.append(rates(store).sum())
    assert seen[0] > seen[1] > seen[2]
    # Yesterday's trials weigh a little less, and 50 minutes from now it may be tomorrow.
    assert 7.9 < beliefs(store).evidence.factors["paypal"].trials <= 8
    answer = await store.decide(device_type="mobile")
    await learn(store, monkeypatch)
    assert (await store.engine.logbook.replay(store.id, answer.decision.decision_id)).same


async def test_pending_decisions_without_evidence_are_not_counted(store):
    open_yet, settled, chosen = await decide_many(store, 3)
    await store.report(settled, "abandoned")
    await store.report(chosen, "selected", order(chosen.decision)[0])
    await store.report(open_yet, "shown")
    counted = await pending_weights(store, minutes=30)
    first, second = order(chosen.decision)
    assert {name: trials for name, (trials, _) in counted.items()} == {first: 2, second: 1}
    youngest, oldest = (CURVE.share(minutes * MINUTE) for minutes in (29, 32))
    assert all(youngest <= share <= oldest for _, share in counted.values())


async def test_sample_represents_many_pending_decisions(store):
    await decide_many(store, 3 * MOST_OF_A_STEP)
    counted = await pending_weights(store)
    assert sum(trials for trials, _ in counted.values()) == pytest.approx(6 * MOST_OF_A_STEP, abs=0.1)


async def test_no_decision_is_pending_after_its_window(store):
    await decide_many(store, 3)
    await store.engine.recorder.close_due(now_ms() + 61 * MINUTE)
    assert await pending_weights(store, minutes=61) == {}
