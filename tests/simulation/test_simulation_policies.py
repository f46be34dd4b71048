"""Test worlds, baseline policies, the reporting of outcomes and summaries, each by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.build import make_policy, make_reporting, make_world
from simulation.policies.baselines import FixedPolicy, KlUcbPolicy, TextbookPolicy, UniformPolicy, examined
from simulation.policies.evidence import GRAIN, EvidenceTally
from simulation.runner import POINTS, moments
from simulation.scenario import (
    AtOnceSpec,
    BatchesSpec,
    ContextualSpec,
    FixedSpec,
    KlUcbSpec,
    LateSpec,
    TextbookSpec,
    ThompsonSpec,
    TricklingSpec,
    UniformSpec,
    arms_of,
)
from simulation.summary import average, quantiles, ratio
from simulation.worlds.bernoulli import Bernoulli, Churning
from simulation.worlds.reporting import after, at_once, in_batches, trickling
from simulation.worlds.slots import Cascade, Positions
from simulation.worlds.specs import (
    BernoulliSpec,
    CascadeSpec,
    ChurningSpec,
    JumpingSpec,
    KindredSpec,
    LogisticSpec,
    NewMerchantSpec,
    PositionBasedSpec,
)
from simulation.worlds.world import SimulatedVisit, VisitOutcome


def rng(seed=0):
    return np.random.default_rng(seed)


def outcome(number=0, order=(0, 1, 2), successes=(), reported_at=None):
    return VisitOutcome(SimulatedVisit(number), order, successes, number + 1 if reported_at is None else reported_at)


# Worlds


def test_rates_of_a_world_are_met_in_the_long_run():
    world = Bernoulli([(0.2, 0.7)], 20_000, rng())
    for arm, rate in enumerate((0.2, 0.7)):
        won = sum(bool(world.successes(world.visit(number), (arm,))) for number in range(20_000))
        assert won / 20_000 == pytest.approx(rate, abs=0.02)


@pytest.mark.parametrize(("number", "regret"), [(0, 0.1), (49, 0.1), (50, 0.0), (99, 0.0)])
def test_phases_have_equal_length(number, regret):
    world = Bernoulli([(0.1, 0.2), (0.3, 0.2)], 100, rng())
    assert world.regret(world.visit(number), (0,)) == pytest.approx(regret)


def test_candidates_leave_at_their_rate():
    world = Churning(4, 0.1, (2, 8), rng())
    renewed = [world.visit(number).renewed for number in range(5_000)]
    assert sum(map(len, renewed)) / 5_000 == pytest.approx(0.1, abs=0.02)
    assert {arm for arms in renewed for arm in arms} == {0, 1, 2, 3}


def test_lower_slot_is_examined_less():
    world = Positions((0.5, 0.5), (1.0, 0.2), 20_000, rng())
    firsts, seconds = (
        sum(arm in world.successes(world.visit(number), (0, 1)) for number in range(20_000)) for arm in (0, 1)
    )
    assert firsts / 20_000 == pytest.approx(0.5, abs=0.02)
    assert seconds / 20_000 == pytest.approx(0.1, abs=0.02)


def test_only_the_first_attractive_candidate_is_taken():
    world = Cascade((1.0, 1.0, 0.0), 3, 10, rng())
    assert world.successes(world.visit(0), (2, 1, 0)) == (1,)
    assert Cascade((0.0, 0.0), 2, 10, rng()).successes(SimulatedVisit(0), (0, 1)) == ()


def test_the_order_does_not_matter_to_a_cascade():
    world = Cascade((0.3, 0.2, 0.1), 2, 10, rng())
    assert world.regret(SimulatedVisit(0), (1, 0)) == pytest.approx(0)
    assert world.regret(SimulatedVisit(0), (1, 2)) == pytest.approx(1 - 0.7 * 0.8 - (1 - 0.8 * 0.9))


SPECS = [
    (BernoulliSpec(rates=(0.1, 0.2)), 2, 1),
    (JumpingSpec(phases=((0.1, 0.2), (0.2, 0.1))), 2, 1),
    (ChurningSpec(arms=5, churn=0.01, alpha=1, beta=9), 5, 1),
    (PositionBasedSpec(attraction=(0.1, 0.2, 0.3), examination=(1.0, 0.5)), 3, 2),
    (CascadeSpec(attraction=(0.1, 0.2, 0.3), slots=2), 3, 2),
    (LogisticSpec(arms=4, features=3), 4, 1),
    (KindredSpec(arms=6, features=3, kinds=2), 6, 1),
    (NewMerchantSpec(rates=(0.1, 0.2, 0.3), strength=50, others=3), 3, 1),
]


@pytest.mark.parametrize(("spec", "arms", "slots"), SPECS, ids=lambda spec: type(spec).__name__)
def test_world_follows_its_scenario(spec, arms, slots):
    world = make_world(spec, 50, rng())
    assert (world.arms, world.slots, arms_of(spec)) == (arms, slots, arms)
    for number in range(50):
        visit = world.visit(number)
        order = tuple(range(slots))
        assert set(world.successes(visit, order)) <= set(order)
        assert world.regret(visit, order) >= -1e-12


@pytest.mark.parametrize("policy", [
    FixedSpec(), FixedSpec(order=(2, 1, 0)), UniformSpec(), TextbookSpec(), KlUcbSpec(), ThompsonSpec(draws=64),
    ThompsonSpec(draws=64, cells=True), ThompsonSpec(draws=64, by_slot=True),
], ids=lambda policy: type(policy).__name__)  # fmt: skip
def test_a_policy_fills_the_slots_of_any_world(policy):
    world = make_world(PositionBasedSpec(attraction=(0.1, 0.2, 0.3), examination=(1.0, 0.5)), 30, rng())
    made = make_policy(policy, world, 1)
    for number in range(30):
        visit = world.visit(number)
        order = made.decide(visit)
        assert len(order) == len(set(order)) == 2
        made.learn(VisitOutcome(visit, order, world.successes(visit, order), number + 1))


def test_a_contextual_policy_plays_in_a_world_with_features():
    world = make_world(LogisticSpec(arms=4, features=3), 20, rng())
    made = make_policy(ContextualSpec(), world, 1)
    for number in range(20):
        visit = world.visit(number)
        assert 0 <= made.decide(visit)[0] < 4


# Policies


def test_a_fixed_order_never_changes():
    policy = FixedPolicy((2, 0, 1), 2)
    policy.learn(outcome(successes=(0,)))
    assert policy.decide(SimulatedVisit(5)) == (2, 0)


def test_random_order_is_uniform():
    policy = UniformPolicy(3, 1, rng())
    firsts = [policy.decide(SimulatedVisit(number))[0] for number in range(3_000)]
    assert [firsts.count(arm) / 3_000 for arm in range(3)] == pytest.approx([1 / 3] * 3, abs=0.04)


def learned(policy, rates, visits=400):
    luck = rng(7)
    for number in range(visits):
        visit = SimulatedVisit(number)
        order = policy.decide(visit)
        policy.learn(VisitOutcome(visit, order, order if luck.random() < rates[order[0]] else (), number + 1))
    return [policy.decide(SimulatedVisit(visits + number))[0] for number in range(50)]


@pytest.mark.parametrize("policy", [TextbookPolicy(3, 1, rng(3)), KlUcbPolicy(3, 1)], ids=["textbook", "kl_ucb"])
def test_a_learning_policy_finds_the_best(policy):
    assert learned(policy, (0.1, 0.9, 0.1)).count(1) > 40


def test_a_replaced_candidate_is_tried_anew():
    policy = KlUcbPolicy(2, 1)
    for number in range(20):
        order = policy.decide(SimulatedVisit(number))
        policy.learn(VisitOutcome(SimulatedVisit(number), order, (0,) if order == (0,) else (), number + 1))
    assert policy.decide(SimulatedVisit(20, renewed=(1,))) == (1,)


@pytest.mark.parametrize(("successes", "seen"), [((), (2, 0, 1)), ((2,), (2,)), ((0,), (2, 0)), ((2, 1), (2, 0, 1))])
def test_candidates_above_the_lowest_success_are_examined(successes, seen):
    assert examined(outcome(order=(2, 0, 1), successes=successes)) == seen


# Reporting


def test_outcomes_are_reported_after_their_delay():
    late = outcome(7)
    assert at_once(late) is late
    assert [in_batches(5)(outcome(number)).reported_at for number in (0, 4, 5, 9, 10)] == [5, 5, 10, 10, 15]
    assert after(3)(late).reported_at == 11


def test_trickling_successes_arrive_or_count_as_failures():
    report = trickling(10.0, 30, rng())
    reports = [report(outcome(number, order=(0,), successes=(0,))) for number in range(2_000)]
    delays = [each.reported_at - each.visit.number - 1 for each in reports if each.successes]
    lost = [each.reported_at - each.visit.number - 1 for each in reports if not each.successes]
    assert max(delays) < 30
    assert set(lost) == {30}
    assert len(lost) / 2_000 == pytest.approx(np.exp(-3), abs=0.02)
    assert report(outcome(5)).reported_at == 36


@pytest.mark.parametrize(("spec", "reported_at"), [
    (AtOnceSpec(), 8), (BatchesSpec(size=10), 10), (LateSpec(visits=4), 12), (TricklingSpec(mean=5.0, window=20), 28),
])  # fmt: skip
def test_reporting_follows_its_scenario(spec, reported_at):
    assert make_reporting(spec, rng())(outcome(7)).reported_at == reported_at


# Evidence


FULL = np.ones(3)


def evidence(tally, arms=2):
    weights = np.ones((len(tally.days()), arms))
    return [(each.trials, each.successes) for each in tally.evidence(weights, FULL, None, 0)]


def test_outcomes_are_counted_down_to_the_lowest_success():
    tally = EvidenceTally(2, 2, by_slot=False)
    assert tally.end(outcome(order=(0, 1), successes=(0,)), 0) == 1
    assert tally.end(outcome(order=(0, 1)), 1) == 2
    assert evidence(tally) == [(2, 1), (1, 0)]
    assert tally.days() == [0, 1]


def test_by_slot_all_slots_were_tried():
    tally = EvidenceTally(2, 2, by_slot=True)
    assert tally.end(outcome(order=(1, 0), successes=(1,)), 0) == 2
    assert tally.counted()[0, 0].tolist() == [[0, 1], [1, 0]]
    assert tally.counted()[1, 0].tolist() == [[0, 0], [1, 0]]


def test_days_have_their_weights():
    tally = EvidenceTally(1, 1, by_slot=False)
    for day in (0, 1):
        for _ in range(4):
            tally.end(outcome(order=(0,), successes=(0,)), day)
    faded = tally.evidence(np.array([[0.5], [1.0]]), FULL, None, 0)
    assert (faded[0].trials, faded[0].successes) == (6, 6)


def test_a_candidate_that_left_is_forgotten():
    tally = EvidenceTally(2, 1, by_slot=False)
    tally.end(outcome(order=(0,), successes=(0,)), 0)
    tally.end(outcome(order=(1,), successes=(1,)), 0)
    tally.forget(0)
    assert evidence(tally) == [(0, 0), (1, 1)]


def test_pending_visits_are_counted_until_they_end():
    tally = EvidenceTally(1, 1, by_slot=False)
    tally.begin(3, (0,))
    tally.begin(GRAIN + 1, (0,))
    assert sorted(tally._open) == [0, 1]
    tally.end(outcome(3, order=(0,)), 0)
    assert sorted(tally._open) == [1]


# Summaries


def test_an_average_has_its_interval():
    values = rng().normal(5, 2, 400)
    mean, low, high = average(values)
    assert mean == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * values.std(ddof=1) / 20, rel=1e-3)
    assert average(np.array([3.0])) == (3.0, 3.0, 3.0)


def test_ratio_of_proportional_values_has_no_error():
    values = rng().random(50) + 1
    assert ratio(3 * values, values) == pytest.approx((3, 3, 3))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50))
def test_quantiles_lie_between_the_ends(values):
    low, high = quantiles(np.array(values))
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


@pytest.mark.parametrize(("horizon", "points"), [(1, 1), (5, 5), (100, 100), (10_000, POINTS)])
def test_a_curve_has_as_many_points_as_fit(horizon, points):
    visits = moments(horizon)
    assert len(visits) == points
    assert visits[-1] == horizon
    assert (np.diff(visits) > 0).all()
