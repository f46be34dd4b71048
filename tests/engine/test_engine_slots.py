"""Examination of slots is learned from a sample of closed decisions with their exact chances."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from bandits.choice.model import ChoiceModel
from bandits.choice.observations import NOTHING, ChoiceObservation, aggregate
from bandits.evidence.positions import ENOUGH
from engine.clock import now_ms
from engine.kernel.choice_beliefs import ChoiceBeliefs, belief_of, state_of
from engine.kernel.spread import Spread
from engine.learning import slot_reader
from engine.learning.choice_learner import ChoiceLearner
from engine.learning.fit import fit_placement
from engine.learning.slot_reader import needs_slots
from engine.model.placement import Fixed
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import Curves, EvidenceSettings, Fit, arm_beliefs
from engine.statistics.slots import (
    MOST_BUCKETS,
    MOST_SLOTS,
    MOST_STRATA,
    SEPARATOR,
    SlotEffects,
    SlotEvidence,
    SlotObservation,
    effects_of,
    examination_of,
    faded,
    reach_of,
    with_observations,
)
from engine.store import decisions, fits
from engine.store.tables.columns import IdSpan
from tests.engine.test_engine_evidence import NOW, TODAY, day, reading
from tests.factories import METHODS, order, placement

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
EVEN = np.full((2, 2), 0.5)


def observed(decisions, *, seen=0.5, bucket="", seed=0, has_all_tried=False):
    """Two candidates in random order, of whom the second slot's is seen less often."""
    rng = np.random.default_rng(seed)
    for _ in range(decisions):
        names = ["card", "ideal"] if rng.random() < 0.5 else ["ideal", "card"]
        won = rng.random(2) < [0.4, 0.4 * seen]
        yield SlotObservation(bucket, names, [0, 1], won.astype(float).tolist(), EVEN, has_all_tried=has_all_tried)


async def test_closed_decisions_are_sampled_once_with_their_chances(empty_shop):
    shop, settings = empty_shop, placement(credit="position")
    await shop.add_placement(settings)
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
    assert fit.slots.steps == {}
    precision = np.array(fit.slots.curve)[:, :-1]
    assert len(precision) == len(METHODS) - 1
    # A success has at most the information of a coin toss.
    assert 0 < precision[0, 0] <= 12 / 4


async def test_a_cascade_counts_those_down_to_the_choice(empty_shop):
    shop, settings = empty_shop, placement(credit="cascade")
    await shop.add_placement(settings)
    answer = await shop.decide()
    await shop.report(answer, "converted", order(answer.decision)[1])
    later = now_ms() + 2 * settings.window_minutes * MINUTE
    await shop.engine.recorder.close_due(later)
    fit = await fit_placement(shop.engine.database, shop.id, settings, later)
    assert fit.slots.tried[""] == {name: [0.0] * slot + [1.0] for slot, name in enumerate(order(answer.decision)[:2])}


async def test_undrawn_answers_of_an_experiment_are_not_sampled(empty_shop):
    shop, settings = empty_shop, placement(credit="position", policy=Fixed())
    await shop.add_placement(settings)
    await shop.decide()
    assert not needs_slots(settings)
    fit = await fit_placement(shop.engine.database, shop.id, settings, now_ms() + DAY)
    assert fit.slots == SlotEvidence()


@pytest.mark.parametrize(
    ("changes", "needed"),
    [({"credit": "position"}, True), ({"credit": "cascade"}, True), ({"credit": "first"}, False), ({}, True),
     ({"credit": "position", "examination": (1.0, 0.5)}, False)],
)  # fmt: skip
def test_slots_are_sampled_if_their_weights_are_used(changes, needed):
    assert needs_slots(placement(**{"credit": "choice"} | changes)) is needed


@pytest.mark.parametrize("whole", [True, False])
def test_weights_come_from_chances_once_there_are_enough(whole):
    few = with_observations(SlotEvidence(), list(observed(ENOUGH - 1, has_all_tried=whole)), "dec_1", TODAY)
    assert examination_of(few) == ()
    many = with_observations(few, list(observed(9_000, seed=1, has_all_tried=whole)), "dec_2", TODAY)
    assert examination_of(many) == (1.0, pytest.approx(0.5, abs=0.06))
    assert many.read_to == "dec_2"


def test_decisions_of_the_sample_fade():
    before = with_observations(SlotEvidence(), list(observed(4, bucket="mobile")), "dec_1", TODAY)
    after = faded(before, TODAY + 30)
    assert after.decisions == pytest.approx(2.0)
    assert after.tried["mobile"]["card"] == pytest.approx([count / 2 for count in before.tried["mobile"]["card"]])
    assert faded(after, TODAY + 30) == after


def test_bucket_has_its_own_weights():
    first = SlotObservation("mobile", ["card", "ideal"], [0, 1], [0.0, 0.0], EVEN)
    evidence = with_observations(SlotEvidence(), [first], "dec_1", TODAY)
    assert reach_of(evidence, (1.0, 0.4), "mobile") == {"card": 1.0, "ideal": 0.4}
    assert reach_of(evidence, (1.0,), "mobile") == {"card": 1.0, "ideal": 1.0}
    assert reach_of(evidence, (1.0, 0.4), "desktop") == reach_of(evidence, (1.0, 0.4), None)
    assert reach_of(evidence, (), "mobile") == {}


def test_rates_of_rarely_examined_candidates_are_not_underestimated():
    curves, rows = Curves(reading().curves.common), [day("card", 1_000, 100), day("ideal", 1_000, 50)]
    plain = arm_beliefs(rows, [], {}, EvidenceSettings(90.0, (), curves, {}, NOW, 1))
    seen = arm_beliefs(rows, [], {}, EvidenceSettings(90.0, (), curves, {}, NOW, 1, {"ideal": 0.5}))
    assert plain["ideal"].trials == pytest.approx(1_000)
    assert seen["ideal"].successes / seen["ideal"].trials == pytest.approx(0.1, abs=0.005)
    assert seen["card"] == plain["card"]


async def test_the_newest_decisions_between_two_ids_are_read(shop):
    ids = [(await shop.decide()).decision.decision_id for _ in range(4)]
    first, second, third, last = sorted(ids)

    async def read(*, from_id, before_id, limit):
        async with shop.engine.database.read() as connection:
            rows = await decisions.last_between(
                connection, shop.id, "payment_methods", IdSpan(from_id, before_id), limit=limit
            )
        return [row.id for row in rows]

    assert await read(from_id=first, before_id=last, limit=10) == [third, second, first]
    assert await read(from_id=second, before_id=last, limit=1) == [third]
    assert await read(from_id=last, before_id=first, limit=10) == []


async def test_decision_of_a_deleted_plan_is_not_sampled(empty_shop, monkeypatch):
    shop, settings = empty_shop, placement(credit="position")
    await shop.add_placement(settings)
    await shop.decide()
    later = now_ms() + 2 * settings.window_minutes * MINUTE
    await shop.engine.recorder.close_due(later)

    async def gone(*_):
        return None

    monkeypatch.setattr(slot_reader.plans, "get", gone)
    fit = await fit_placement(shop.engine.database, shop.id, settings, later)
    assert fit.slots.decisions == 0
    assert fit.slots.read_to


def test_evidence_of_another_credit_does_not_count():
    steps = with_observations(SlotEvidence(), list(observed(ENOUGH)), "dec_1", TODAY)
    curve = with_observations(steps, list(observed(10, has_all_tried=True)), "dec_2", TODAY)
    assert (curve.decisions, curve.steps, examination_of(curve)) == (10, {}, ())
    assert with_observations(curve, list(observed(10)), "dec_3", TODAY).curve == []


def test_uninformative_sample_changes_nothing():
    evidence = with_observations(SlotEvidence(), list(observed(10, has_all_tried=True)), "dec_1", TODAY)
    again = with_observations(evidence, [], "dec_2", TODAY)
    assert again == msgspec.structs.replace(evidence, read_to="dec_2")


def test_a_curve_fades_and_grows_with_the_slots():
    evidence = with_observations(SlotEvidence(), list(observed(2_000, has_all_tried=True)), "dec_1", TODAY)
    half = faded(evidence, TODAY + 30)
    assert np.array(half.curve) == pytest.approx(np.array(evidence.curve) / 2)
    far = SlotObservation("", ["card"], [30], [1.0], np.full((1, 40), 0.025), has_all_tried=True)
    wide = with_observations(evidence, [far], "dec_2", TODAY)
    assert np.shape(wide.curve) == (MOST_SLOTS - 1, MOST_SLOTS)
    assert examination_of(wide)[:2] == (1.0, pytest.approx(0.5, abs=0.1))


def test_slots_far_down_count_as_the_last():
    wide = SlotObservation("", ["card"], [MOST_SLOTS + 5], [0.0], np.full((1, MOST_SLOTS + 8), 0.01))
    evidence = with_observations(SlotEvidence(), [wide], "dec_1", TODAY)
    assert len(evidence.tried[""]["card"]) == MOST_SLOTS
    assert len(evidence.steps["card"]) == MOST_SLOTS - 1


def test_buckets_beyond_the_most_share_the_placements_reach():
    seen = [SlotObservation(f"bucket {n}", ["card"], [0], [0.0], EVEN[:1]) for n in range(MOST_BUCKETS + 9)]
    evidence = with_observations(SlotEvidence(), seen, "dec_1", TODAY)
    assert len(evidence.tried) == MOST_BUCKETS + 1
    assert evidence.tried[""]["card"] == [MOST_BUCKETS + 9]


async def test_fit_with_slots_is_stored_and_older_fits_are_read(shop):
    scope = Scope(shop.id, "payment_methods", "converted")
    evidence = with_observations(SlotEvidence(), list(observed(5)), "dec_1", TODAY)
    async with shop.engine.database.write() as connection:
        await fits.put(connection, scope, Fit(slots=evidence), now=NOW)
    async with shop.engine.database.read() as connection:
        stored = await fits.get(connection, scope)
    assert stored.slots == evidence
    assert msgspec.json.decode(b'{"examination": [1.0, 0.5]}', type=Fit).slots == SlotEvidence()


CHOOSING = {"credit": "choice"}


def chosen(decisions, *, seen=0.5, stratum="s", seed=0):
    """Choices between two candidates in random order; the second slot is worth less."""
    rng = np.random.default_rng(seed)
    for _ in range(decisions):
        names = ["card", "ideal"] if rng.random() < 0.5 else ["ideal", "card"]
        shares = np.array([1.0, seen, 1.0]) / (2.0 + seen)
        slot = int(rng.choice(3, p=shares))
        slots = [0, 1] if slot == 2 else [slot]
        yield SlotObservation("", [names[s] for s in slots], slots, [float(slot < 2)] * len(slots), EVEN[: len(slots)],
                              stratum)  # fmt: skip


async def test_choices_are_sampled_in_cells_of_their_strata(empty_shop):
    shop, settings = empty_shop, placement(**CHOOSING)
    await shop.add_placement(settings)
    taken = await shop.decide()
    await shop.report(taken, "converted", order(taken.decision)[1])
    later = now_ms() + 2 * settings.window_minutes * MINUTE
    await shop.engine.recorder.close_due(later)
    fit = await fit_placement(shop.engine.database, shop.id, settings, later)
    assert fit.slots.decisions == 1
    assert [cell.split(SEPARATOR)[1:] for cell in fit.slots.steps] == [[order(taken.decision)[1], ""]]
    assert (fit.slots.tried, fit.examination) == ({}, ())


def test_effects_of_choices_come_from_chances_once_there_are_enough():
    few = with_observations(SlotEvidence(), list(chosen(ENOUGH - 1)), "dec_1", TODAY)
    assert effects_of(few) is None
    effects = effects_of(with_observations(few, list(chosen(9_000, seed=1)), "dec_2", TODAY))
    assert np.exp(effects.logs[1]) == pytest.approx(0.5, abs=0.06)


def test_strata_beyond_the_most_share_their_cells():
    seen = [SlotObservation("", ["card"], [0], [1.0], EVEN[:1], f"s{n:02}", "card") for n in range(MOST_STRATA + 3)]
    evidence = with_observations(SlotEvidence(), seen, "dec_1", TODAY)
    assert len(evidence.steps) == MOST_STRATA + 1
    assert all(cell.endswith("favourite") for cell in evidence.steps)


def test_identified_effects_are_stored_with_the_beliefs():
    slots = SlotEffects(np.array([0.0, -3.0]), np.array([0.0, 0.001]))
    rows = [(("card", "ideal"), (0,)), (("ideal", "card"), (1,)), (("card", "ideal"), ())]
    model = ChoiceModel.nothing().after(aggregate([ChoiceObservation(o, "s", c) for o, c in rows * 400]))
    state = state_of(model, ("card", "ideal"), cursor=1, day=TODAY)
    free, learner = belief_of(state, METHODS), ChoiceLearner(METHODS, state, placement(), slots)
    again = belief_of(learner.state(NOTHING, TODAY), METHODS)
    assert free.mean[0] > -1.0
    assert again.mean[0] == pytest.approx(-3.0, abs=0.01)
    assert np.linalg.inv(again.precision)[0, 0] == pytest.approx(0.001, rel=0.01)
    drawn = ChoiceBeliefs(METHODS, learner.state(NOTHING, TODAY), version=3, spread=Spread(0.01))
    assert np.isfinite(drawn.first_chances(tuple(range(len(METHODS))))).all()
    assert ChoiceLearner(METHODS, state, placement()).state(NOTHING, TODAY).effects == ""
