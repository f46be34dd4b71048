"""Effects of slots from exact chances take the place of learned ones that contradict them."""

import numpy as np
import pytest

from bandits.choice.identified import contradicting_effects
from bandits.choice.model import ChoiceModel, ChoicePrior, IdentifiedEffect
from bandits.choice.observations import EFFECTS, ChoiceObservation, aggregate
from bandits.evidence.positions import choice_effects
from benchmarks.checks.choice_slots import IDS, SLOTS, World, play

ORDERS = [("a", "b", "c"), ("b", "a", "c"), ("c", "b", "a")]


def model_of(decisions=900, seed=0):
    rng = np.random.default_rng(seed)
    seen = [
        ChoiceObservation(ORDERS[number % 3], "s", (int(rng.integers(3)),) if rng.random() < 0.6 else ())
        for number in range(decisions)
    ]
    return ChoiceModel.nothing().after(aggregate(seen))


def sums_of(odds, *, counts=(1_000.0, 400.0)):
    """Return two cells of one step: `counts` chose nothing in the upper and lower slot; `odds` is the slots' ratio."""
    cells = []
    for upper in (0.5, 2.0):
        wins = np.array([upper, upper * odds]) * counts
        weights = wins + counts
        cells.append([np.stack((weights, wins, weights, wins)).ravel()])
    return np.array(cells)


@pytest.mark.parametrize("odds", [0.3, 1.0, 1.5])
def test_the_ratio_of_odds_is_the_slots(odds):
    logs, variances = choice_effects(sums_of(odds))
    assert np.exp(logs).tolist() == pytest.approx([1.0, odds], rel=0.02)
    assert 0 < variances[1] < 0.02


def test_slot_without_choices_has_no_effect():
    logs, variances = choice_effects(sums_of(0.0))
    assert logs.tolist() == [0.0, 0.0]
    assert variances[1] == pytest.approx(1.0)


def test_effects_that_agree_stay_learned():
    belief = model_of().belief()
    logs = np.array([0.0, belief.mean[0] + 0.05, belief.mean[1] - 0.05])
    assert contradicting_effects(belief, logs, np.array([0.0, 0.01, 0.02])) == ()
    assert contradicting_effects(belief, np.zeros(1), np.zeros(1)) == ()


def test_contradicting_effects_replace_the_model():
    belief = model_of().belief()
    logs = np.concatenate(([0.0], belief.mean[:2] - 1.0))
    effects = contradicting_effects(belief, logs, np.array([0.0, 0.01, 0.02]))
    assert [effect.number for effect in effects] == [0, 1]
    assert [effect.mean for effect in effects] == pytest.approx(logs[1:].tolist())


def test_a_slot_without_data_contradicts_nothing():
    belief = model_of().belief()
    assert contradicting_effects(belief, np.array([0.0, belief.mean[0] + 9.0]), np.array([0.0, 1.0])) == ()


def test_identified_effects_are_not_moved_by_choices():
    model, effect = model_of(), IdentifiedEffect(0, -2.0, 0.04)
    belief = model.belief(ChoicePrior(identified=(effect,)))
    assert belief.mean[0] == pytest.approx(-2.0, abs=1e-3)
    covariance = np.linalg.inv(belief.precision)
    assert covariance[0, 0] == pytest.approx(0.04, rel=1e-6)
    free = model.belief()
    assert free.mean[0] != pytest.approx(-2.0, abs=1.0)


def test_evidence_of_choices_given_the_effect_is_kept():
    model, layout = model_of(), model_of().layout
    belief = model.belief(ChoicePrior(identified=(IdentifiedEffect(0, -2.0, 0.04),)))
    free = model.belief()
    others = np.arange(1, layout.size)
    assert belief.precision[np.ix_(others, others)] == pytest.approx(free.precision[np.ix_(others, others)])
    assert (np.linalg.eigvalsh(belief.precision) > 0).all()
    assert layout.size > EFFECTS


def test_favourites_are_no_merit_of_the_first_slot():
    world = World(20.0, 1.0, batches=12, visits=1_500)
    plain, right = play(world, 5, identifies=False), play(world, 5)
    assert right.identified > 0.5
    assert right.slots[:2] == pytest.approx(SLOTS[1:3], rel=0.3)
    assert plain.slots[1] < 0.75 * SLOTS[2]
    assert len(IDS) == len(SLOTS)
