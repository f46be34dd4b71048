"""How likely slots are seen is learned from a sample of closed decisions with their exact chances."""

from __future__ import annotations

import numpy as np
import pytest

from bandits.evidence.positions import ENOUGH
from engine.clock import now_ms
from engine.learning.fit import fit_placement
from engine.learning.slot_reader import needs_slots
from engine.model.placement import Fixed
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import Curves, EvidenceSettings, arm_beliefs
from engine.statistics.slots import SlotEvidence, SlotObservation, examination_of, faded, reach_of, with_observations
from tests.engine.test_engine_evidence import NOW, TODAY, day, reading
from tests.factories import METHODS, order, placement

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("certain_luck")]
EVEN = np.full((2, 2), 0.5)


def observed(decisions, *, seen=0.5, bucket="", seed=0):
    """Two candidates in random order, of whom the second slot's is seen less often."""
    rng = np.random.default_rng(seed)
    for _ in range(decisions):
        names = ["card", "ideal"] if rng.random() < 0.5 else ["ideal", "card"]
        won = rng.random(2) < [0.4, 0.4 * seen]
        yield SlotObservation(bucket, names, [0, 1], won.astype(float).tolist(), EVEN)


async def test_closed_decisions_are_sampled_once_with_their_chances(empty_shop):
    shop, settings = empty_shop, placement(credit="position")
    await shop.place(settings)
    for number in range(12):
        answer = await shop.decide(f"customer {number % 3}")
        await shop.report(answer, "converted", order(answer.decision)[number % 2])
    later = now_ms() + 2 * settings.window_minutes * MINUTE
    early = await fit_placement(shop.engine.database, shop.id, settings, now_ms())
    assert early.slots.decisions == 0
    await shop.engine.recorder.close_due(later)
    for _ in range(2):
        fit = await fit_placement(shop.engine.database, shop.id, settings, later)
        assert fit.slots.decisions == 12
    tried = fit.slots.tried[""]
    assert sum(map(sum, tried.values())) == 12 * len(METHODS)
    first = np.array([steps[0] for steps in fit.slots.steps.values()]).sum(axis=0)
    # The successes of both slots count, by weights between 0 and 1.
    assert 0 < first[2] < 6
    assert 0 < first[3] < 6


async def test_a_cascade_counts_those_down_to_the_choice(empty_shop):
    shop, settings = empty_shop, placement(credit="cascade")
    await shop.place(settings)
    answer = await shop.decide()
    await shop.report(answer, "converted", order(answer.decision)[1])
    later = now_ms() + 2 * settings.window_minutes * MINUTE
    await shop.engine.recorder.close_due(later)
    fit = await fit_placement(shop.engine.database, shop.id, settings, later)
    assert fit.slots.tried[""] == {name: [0.0] * slot + [1.0] for slot, name in enumerate(order(answer.decision)[:2])}


async def test_answers_of_an_experiment_that_draws_nothing_say_nothing(empty_shop):
    shop, settings = empty_shop, placement(credit="position", policy=Fixed())
    await shop.place(settings)
    await shop.decide()
    assert not needs_slots(settings)
    fit = await fit_placement(shop.engine.database, shop.id, settings, now_ms() + DAY)
    assert fit.slots == SlotEvidence()


@pytest.mark.parametrize(
    ("changes", "needed"),
    [({"credit": "position"}, True), ({"credit": "cascade"}, True), ({"credit": "first"}, False), ({}, False),
     ({"credit": "position", "examination": (1.0, 0.5)}, False)],
)  # fmt: skip
def test_slots_are_sampled_where_their_weights_count(changes, needed):
    assert needs_slots(placement(**{"credit": "choice"} | changes)) is needed


def test_weights_come_from_chances_once_there_are_enough():
    few = with_observations(SlotEvidence(), list(observed(ENOUGH - 1)), "dec_1", TODAY)
    assert examination_of(few) == ()
    many = with_observations(few, list(observed(9_000, seed=1)), "dec_2", TODAY)
    assert examination_of(many) == (1.0, pytest.approx(0.5, abs=0.06))
    assert many.read_to == "dec_2"


def test_decisions_of_the_sample_fade():
    before = with_observations(SlotEvidence(), list(observed(4, bucket="mobile")), "dec_1", TODAY)
    after = faded(before, TODAY + 30)
    assert after.decisions == pytest.approx(2.0)
    assert after.tried["mobile"]["card"] == pytest.approx([count / 2 for count in before.tried["mobile"]["card"]])
    assert faded(after, TODAY + 30) == after


def test_a_bucket_has_a_reach_of_its_own():
    first = SlotObservation("mobile", ["card", "ideal"], [0, 1], [0.0, 0.0], EVEN)
    evidence = with_observations(SlotEvidence(), [first], "dec_1", TODAY)
    assert reach_of(evidence, (1.0, 0.4), "mobile") == {"card": 1.0, "ideal": 0.4}
    assert reach_of(evidence, (1.0,), "mobile") == {"card": 1.0, "ideal": 1.0}
    assert reach_of(evidence, (1.0, 0.4), "desktop") == reach_of(evidence, (1.0, 0.4), None)
    assert reach_of(evidence, (), "mobile") == {}


def test_rates_of_rarely_reached_candidates_are_not_believed_low():
    curves, rows = Curves(reading().curves.common), [day("card", 1_000, 100), day("ideal", 1_000, 50)]
    plain = arm_beliefs(rows, [], {}, EvidenceSettings(90.0, (), curves, {}, NOW, 1))
    seen = arm_beliefs(rows, [], {}, EvidenceSettings(90.0, (), curves, {}, NOW, 1, {"ideal": 0.5}))
    assert plain["ideal"].trials == pytest.approx(1_000)
    assert seen["ideal"].successes / seen["ideal"].trials == pytest.approx(0.1, abs=0.005)
    assert seen["card"] == plain["card"]
