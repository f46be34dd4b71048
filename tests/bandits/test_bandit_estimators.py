"""Check estimators on logs that are small enough to compute by hand, what they refuse, and false discoveries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import Clusters, is_off_one, paired_difference
from bandits.evaluation.discovery import FALSE_SHARE, discoveries, p_value
from bandits.evaluation.estimators import (
    direct,
    doubly_robust,
    dros,
    effect,
    effective_sample,
    ips,
    reward_interaction_ips,
    snips,
)
from bandits.evaluation.intervals import standard_error, unskewed_interval, with_imagined

WEIGHTS = [0.5, 2.0, 1.0, 0.5]
REWARDS = [1.0, 1.0, 0.0, 0.0]


def test_ips_is_the_mean_of_weight_times_reward():
    estimate = ips(WEIGHTS, REWARDS)
    assert estimate.value == pytest.approx((0.5 + 2.0) / 4)
    assert (estimate.n, estimate.largest_weight, estimate.mean_weight) == (4, 2.0, 1.0)
    assert estimate.effective_sample == pytest.approx(16 / (0.25 + 4 + 1 + 0.25))
    assert estimate.low < estimate.value < estimate.high


def test_snips_is_the_weighted_mean():
    assert snips(WEIGHTS, REWARDS).value == pytest.approx((0.5 + 2.0) / 4)
    assert snips([0.5, 0.5], [1.0, 0.0]).value == 0.5
    assert snips([3.0, 1.0], [1.0, 0.0]).value == 0.75


def test_the_direct_method_is_the_models_mean_without_an_interval():
    estimate = direct(WEIGHTS, [0.2, 0.4, 0.6, 0.8])
    assert estimate.value == pytest.approx(0.5)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


@pytest.mark.parametrize("errors", [0.0, 0.1])
def test_a_doubly_robust_estimate_corrects_the_model(errors):
    logged = np.array(REWARDS) - errors
    estimate = doubly_robust(WEIGHTS, REWARDS, expected_logged=logged, expected_new=[0.5] * 4)
    assert estimate.value == pytest.approx(0.5 + errors)


@pytest.mark.parametrize(("shrinkage", "value"), [(0.0, 0.5), (math.inf, 0.6)])
def test_shrinkage_lies_between_the_direct_method_and_doubly_robust(shrinkage, value):
    logged = np.array(REWARDS) - 0.1
    estimate = dros(WEIGHTS, REWARDS, expected_logged=logged, expected_new=[0.5] * 4, shrinkage=shrinkage)
    assert estimate.value == pytest.approx(value)
    assert math.isnan(estimate.low)


def test_a_reward_is_weighed_by_the_slots_down_to_it():
    estimate = reward_interaction_ips([[0.5, 2.0], [2.0, 0.5]], [[1.0, 0.0], [0.0, 1.0]])
    assert estimate.value == pytest.approx((0.5 + 1.0) / 2)
    assert estimate.largest_weight == 2.0


def test_effect_is_the_difference_from_the_logged_reward():
    estimate = effect([1.0, 1.0, 2.0, 0.5], [1.0, 0.0, 1.0, 0.0])
    assert estimate.value == pytest.approx((2 / 2.5 - 0.5) / 2)
    assert estimate.n == 4


def test_unchanged_policy_has_no_effect():
    estimate = effect([1.0] * 50, [1.0, 0.0] * 25)
    assert (estimate.value, estimate.low, estimate.high) == (0.0, 0.0, 0.0)


def test_few_effective_decisions_are_refused():
    assert ips(WEIGHTS, REWARDS).refused
    many = ips([1.0] * 400, [1.0, 0.0] * 200)
    assert many.refused == ""
    assert ips([400.0] + [0.0] * 399, [1.0] * 400).refused


@pytest.mark.parametrize(("work", "message"), [
    (lambda: ips([[1.0]], [[1.0]]), "one row for each decision"),
    (lambda: ips([1.0, 1.0], [1.0]), "must have one shape"),
    (lambda: ips([1.0, math.nan], [1.0, 1.0]), "must be numbers"),
    (lambda: ips([1.0], [math.inf]), "must be numbers"),
    (lambda: snips([-1.0], [1.0]), "must not be negative"),
    (lambda: reward_interaction_ips([1.0], [1.0]), "a column for each slot"),
    (lambda: reward_interaction_ips(np.ones((3, 0)), np.ones((3, 0))), "a column for each slot"),
    (
        lambda: dros([1.0], [1.0], expected_logged=[1.0], expected_new=[1.0], shrinkage=-1.0),
        "shrinkage must not be negative",
    ),
    (lambda: ips([1.0, 1.0], [1.0, 1.0], clusters=["a"]), "a cluster for each of 2 decisions"),
])  # fmt: skip
def test_a_log_that_makes_no_sense_is_refused(work, message):
    with pytest.raises(ValueError, match=message):
        work()


@pytest.mark.parametrize(("weights", "size"), [([1, 1, 1], 3), ([1, 0, 0], 1), ([2, 2], 2), ([], 0), ([0, 0], 0)])
def test_the_effective_sample_counts_equal_weights(weights, size):
    assert effective_sample(np.array(weights, np.float64)) == pytest.approx(size)


LOGS = st.lists(st.tuples(st.floats(0.01, 10), st.sampled_from([0.0, 1.0])), min_size=2, max_size=60)


@given(LOGS)
def test_a_weighted_mean_of_shares_is_a_share(log):
    weights, rewards = zip(*log, strict=True)
    estimate = snips(weights, rewards)
    assert -1e-9 <= estimate.value <= 1 + 1e-9
    assert estimate.low <= estimate.value <= estimate.high


@given(LOGS, st.floats(0.5, 4))
def test_doubling_all_rewards_doubles_the_value(log, factor):
    weights, rewards = map(np.array, zip(*log, strict=True))
    assert ips(weights, factor * rewards).value == pytest.approx(factor * ips(weights, rewards).value)


# Clusters of customers


def test_repeated_customers_widen_the_interval():
    weights, rewards = np.ones(400), np.repeat([1.0, 0.0] * 20, 10)
    alone, together = ips(weights, rewards), ips(weights, rewards, clusters=np.repeat(np.arange(40), 10))
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_clusters_are_numbered_and_summed():
    clusters = Clusters.of(["b", "a", "b"], np.ones(3))
    assert clusters.count == 2
    assert clusters.sums(np.array([1.0, 2.0, 4.0])).tolist() == [2.0, 5.0]
    assert clusters.effective_count() == pytest.approx(9 / 5)
    assert clusters.rows(np.array([True, False, True])).count == 1
    assert clusters.with_single_rows(2).count == 4


def test_too_few_customers_have_no_interval():
    few = Clusters.of(np.arange(10), np.ones(10))
    assert few.refusal().startswith("the decisions tell as much as those of 10 customers")
    assert Clusters.of(np.arange(50), np.ones(50)).refusal() == ""


def test_single_visits_have_nearly_the_usual_standard_error():
    values = np.random.default_rng(1).normal(size=500)
    clusters = Clusters.of(np.arange(500), np.ones(500))
    assert standard_error(values, clusters) == pytest.approx(standard_error(values), rel=0.01)


@pytest.mark.parametrize(("mean", "off"), [(1.0, False), (1.05, False), (1.5, True), (0.5, True)])
def test_weights_with_a_wrong_mean_are_detected(mean, off):
    weights = mean * np.random.default_rng(2).exponential(size=400)
    assert is_off_one(weights / weights.mean() * mean) == off


def test_paired_difference_of_equal_policies_is_zero():
    estimate = paired_difference(np.ones(200), np.array([1.0, 0.0] * 100), np.array([1.0, 0.0] * 100))
    assert estimate.value == pytest.approx(0.0)


# Intervals


@pytest.mark.parametrize("terms", [[], [1.0], [1.0, math.nan]])
def test_too_little_has_an_endless_interval(terms):
    assert unskewed_interval(np.array(terms)) == (-math.inf, math.inf)


def test_equal_terms_have_an_interval_of_width_zero():
    assert unskewed_interval(np.full(10, 0.25)) == (0.25, 0.25)


def test_a_symmetric_interval_is_the_normal_one():
    terms = np.array([-1.0, 1.0] * 200)
    low, high = unskewed_interval(terms)
    assert (low, high) == pytest.approx((-1.96 * standard_error(terms), 1.96 * standard_error(terms)), rel=1e-3)


def test_rare_successes_have_a_longer_upper_side():
    terms = np.array([1.0] * 3 + [0.0] * 997)
    low, high = unskewed_interval(terms)
    assert high - terms.mean() > terms.mean() - low > 0


def test_imagined_decisions_are_a_failure_and_a_success():
    weights, rewards = with_imagined(np.array([1.0, 3.0]), np.array([0.0, 500.0]))
    assert weights.tolist() == [1.0, 3.0, 2.5, 2.5]
    assert rewards.tolist() == [0.0, 500.0, 0.0, 500.0]


# Discoveries


@pytest.mark.parametrize(
    ("estimate", "error", "p"), [(0.0, 1.0, 1.0), (1.96, 1.0, 0.05), (-1.96, 1.0, 0.05), (5.0, 0.0, 1.0)]
)
def test_a_p_value_is_two_sided(estimate, error, p):
    assert p_value(estimate, error) == pytest.approx(p, abs=1e-3)


@pytest.mark.parametrize(("values", "significant"), [
    ([], []),
    ([0.5], [False]),
    ([FALSE_SHARE], [True]),
    ([0.001, 0.5, 0.9], [True, False, False]),
    ([0.06, 0.05], [True, True]),
    ([0.06, 0.9], [False, False]),
    ([0.9, 0.001, 0.04, 0.06], [False, True, True, True]),
])  # fmt: skip
def test_significance_depends_on_all_hypotheses(values, significant):
    assert discoveries(values).tolist() == significant


def test_null_effects_are_rarely_significant():
    random = np.random.default_rng(3)
    pages = [discoveries(random.random(50)).any() for _ in range(2_000)]
    assert np.mean(pages) == pytest.approx(FALSE_SHARE, abs=0.025)
