"""Numbers of experiments against closed forms, scipy and properties: sums, intervals, bounds, sizes, chances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bandits.experiments.adaptive import adaptive_difference, adaptive_means, scores
from bandits.experiments.chances import standings
from bandits.experiments.comparison import difference_of, holm, lift_of, two_proportions, welch
from bandits.experiments.group_sequential import bounds, spent
from bandits.experiments.guardrail import is_broken
from bandits.experiments.mismatch import has_mismatch, log_evidence, mismatch_p_values
from bandits.experiments.moments import MetricEstimate, Moments, adjusted_means, mean_of, ratio_of
from bandits.experiments.normal import normal_distribution, normal_quantile, two_sided
from bandits.experiments.sequential import anytime_p_value, is_ready, margin, precision_for, sequential
from bandits.experiments.size import Goal, Size, binary_goal, detectable, group_inflation, size_for

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30)

# The normal distribution


@pytest.mark.parametrize("z", [-8.0, -2.5, -1.0, 0.0, 0.5, 1.96, 4.0, 8.0])
def test_the_normal_distribution_is_scipys(z):
    assert normal_distribution(z) == pytest.approx(stats.norm.cdf(z), rel=1e-12)
    assert two_sided(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-12)


@pytest.mark.parametrize("p", [1e-9, 0.025, 0.2, 0.5, 0.8, 0.975, 1 - 1e-9])
def test_a_quantile_turns_the_distribution_round(p):
    assert normal_distribution(normal_quantile(p)) == pytest.approx(p, rel=1e-6)


# Sums


@given(VALUES, VALUES)
def test_sums_of_parts_are_the_sum_of_all(first, second):
    whole, parts = Moments.of(first + second), Moments.of(first) + Moments.of(second)
    assert parts.n == whole.n
    assert parts.totals == pytest.approx(whole.totals, abs=1e-6)
    assert parts.covariance == pytest.approx(whole.covariance, abs=1e-3)


@given(VALUES)
def test_a_mean_has_the_units_mean_and_variance(values):
    estimate = mean_of(Moments.of(values))
    assert estimate.value == pytest.approx(np.mean(values), abs=1e-9)
    assert estimate.variance == pytest.approx(np.var(values, ddof=1), rel=1e-6, abs=1e-6)
    assert estimate.error == pytest.approx(math.sqrt(estimate.variance / len(values)))


@given(VALUES, st.floats(-100, 100))
def test_cap_lowers_only_larger_values(values, cap):
    assert Moments.of(values, cap=cap).totals[0] == pytest.approx(np.minimum(values, cap).sum(), abs=1e-6)


def test_cap_does_not_change_the_covariate():
    capped = Moments.of([[10.0, 50.0], [1.0, 60.0]], cap=5.0)
    assert capped.totals.tolist() == [6.0, 110.0]


def test_a_single_unit_has_no_spread_and_none_no_error():
    assert mean_of(Moments.of([3.0])).variance == 0.0
    assert MetricEstimate(0.0, 1.0, 0).error == math.inf


def test_a_ratio_without_denominator_is_not_a_number():
    estimate = ratio_of(Moments.of([[0.0, 0.0], [0.0, 0.0]]))
    assert math.isnan(estimate.value)


def test_a_ratio_has_the_delta_methods_error():
    rng = np.random.default_rng(1)
    orders = rng.poisson(2, (400, 1_000)) + 1
    revenue = orders * 50 + rng.normal(0, 20, orders.shape)
    ratios = revenue.sum(axis=1) / orders.sum(axis=1)
    error = ratio_of(Moments.of(np.column_stack((revenue[0], orders[0])))).error
    assert error == pytest.approx(ratios.std(), rel=0.2)


@given(st.floats(-50, 50))
def test_a_covariate_without_relation_changes_little(shift):
    rng = np.random.default_rng(2)
    variants = [Moments.of(np.column_stack((rng.normal(shift, 1, 500), rng.normal(0, 1, 500)))) for _ in range(2)]
    for adjusted, plain in zip(adjusted_means(variants), map(mean_of, variants), strict=True):
        assert adjusted.value == pytest.approx(plain.value, abs=0.02)
        assert adjusted.variance <= plain.variance * 1.02


def test_a_covariate_that_never_varies_changes_nothing():
    variants = [Moments.of([[1.0, 7.0], [3.0, 7.0]]), Moments.of([[2.0, 7.0], [6.0, 7.0]])]
    assert [estimate.value for estimate in adjusted_means(variants)] == pytest.approx([2.0, 4.0])


# Comparisons


def estimate(value: float, spread: float = 1.0, n: float = 1_000) -> MetricEstimate:
    return MetricEstimate(value, spread**2, n)


def test_a_difference_has_the_error_of_both():
    difference = difference_of(estimate(1.0, 3.0, 900), estimate(2.0, 4.0, 1_600))
    assert (difference.value, difference.n) == (1.0, 2_500)
    assert difference.error == pytest.approx(math.sqrt(0.01 + 0.01))


def test_lift_over_zero_is_nan():
    assert math.isnan(lift_of(estimate(0.0), estimate(1.0)).value)


@pytest.mark.parametrize(("control", "variant", "lift"), [(2.0, 3.0, 0.5), (2.0, 1.0, -0.5), (4.0, 4.0, 0.0)])
def test_lift_is_the_difference_of_the_variant(control, variant, lift):
    assert lift_of(estimate(control), estimate(variant)).value == pytest.approx(lift)


@pytest.mark.parametrize(("value", "p_value"), [(0.0, 1.0), (1.0, 0.0)])
def test_without_spread_a_difference_is_certain(value, p_value):
    compared = welch(estimate(1.0, 0.0), estimate(1.0 + value, 0.0))
    assert (compared.low, compared.high, compared.p_value) == (value, value, p_value)


@given(st.floats(-5, 5), st.floats(0.1, 5), st.floats(0.1, 5), st.integers(3, 5_000), st.integers(3, 5_000))
def test_the_p_value_and_the_interval_agree(value, first, second, n, m):
    compared = welch(estimate(0.0, first, n), estimate(value, second, m))
    assert compared.low <= compared.value <= compared.high
    if abs(compared.p_value - 0.05) > 1e-6:
        assert (compared.p_value < 0.05) == (compared.low > 0 or compared.high < 0)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_a_smaller_chance_of_error_widens(share):
    narrow, wide = (welch(estimate(0.0), estimate(0.1), share=each) for each in (share, share / 5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_no_successes_at_all_are_no_difference():
    compared = two_proportions((0, 0), (100, 100))
    assert (compared.value, compared.p_value) == (0.0, 1.0)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_raises_p_values_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert len(adjusted) == len(p_values)
    for before, after in zip(p_values, adjusted, strict=True):
        assert before <= after <= 1
    for index, after in enumerate(adjusted):
        assert all(after <= other for p, other in zip(p_values, adjusted, strict=True) if p > p_values[index])


# Looking at any time


@pytest.mark.parametrize("n", [10, 100, 1_000, 10_000])
def test_intervals_that_always_hold_are_wider(n):
    rho = precision_for(1_000)
    assert margin(estimate(0.0, 1.0, n), rho) > normal_quantile(0.975) * estimate(0.0, 1.0, n).error


def test_interval_is_infinite_before_the_first_unit():
    interval = sequential(MetricEstimate(0.0, 1.0, 0), 0.1)
    assert (interval.low, interval.high, interval.p_value) == (-math.inf, math.inf, 1.0)


@given(st.floats(-3, 3), st.integers(10, 100_000))
def test_the_anytime_p_value_is_a_chance(value, n):
    assert 0 <= anytime_p_value(estimate(value, 1.0, n), precision_for(1_000)) <= 1


def test_zero_variance_proves_nothing():
    assert anytime_p_value(estimate(1.0, 0.0), 0.1) == 1.0


@pytest.mark.parametrize(
    ("rate", "n", "has_estimate"),
    [(0.5, 99, False), (0.5, 100, True), (0.01, 1_000, False), (0.99, 1_000, False), (0.1, 200, True)],
)
def test_a_rate_needs_units_with_and_without_the_event(rate, n, has_estimate):
    assert is_ready(MetricEstimate(rate, rate * (1 - rate), n), binary=True) == has_estimate


@pytest.mark.parametrize("tolerated", [0.0, 0.05, 0.2])
def test_a_guardrail_never_breaks_on_a_gain(tolerated):
    assert not is_broken(estimate(0.5, 0.1, 10_000), tolerated=tolerated, rho=precision_for(1_000))
    assert is_broken(estimate(-0.5, 0.1, 10_000), tolerated=tolerated, rho=precision_for(1_000))


def test_a_guardrail_without_units_holds():
    assert not is_broken(MetricEstimate(-1.0, 1.0, 0), tolerated=0.0, rho=0.1)


# A planned number of looks


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_error_is_spent_little_by_little(share):
    parts = [spent(fraction / 10, share=share) for fraction in range(11)]
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0.0, share)
    assert spent(2.0, share=share) == share


def test_single_look_is_the_fixed_sample_test():
    assert bounds([1.0])[0] == pytest.approx(1.96, abs=0.001)
    assert group_inflation(1) == pytest.approx(1.0, abs=0.001)


def test_earlier_looks_need_more_and_more_looks_cost_more():
    five = bounds([0.2, 0.4, 0.6, 0.8, 1.0])
    assert five == sorted(five, reverse=True)
    assert five[-1] > bounds([0.5, 1.0])[-1] > 1.96


# Sizes


@pytest.mark.parametrize(("base", "lift"), [(0.01, 0.02), (0.1, 0.5), (0.3, 0.1), (0.5, 0.05)])
def test_a_smaller_effect_needs_more_units(base, lift):
    large, small = (size_for(binary_goal(base, each)) for each in (lift, lift / 2))
    assert small.fixed > 3 * large.fixed
    assert large.fixed <= large.group_sequential <= large.sequential


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.8, 0.2), (3.0, 1.0)])
def test_size_detects_the_goal(split):
    goal = Goal(0.02, 0.25)
    assert detectable(size_for(goal, split).fixed, goal, split) == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize(
    ("units_a_day", "days"),
    [(100.0, (7, 14, 14)), (10_000.0, (7, 7, 7)), (50.0, (14, 21, 28)), (1.0, (602, 1001, 1400))],
)
def test_days_are_whole_weeks(units_a_day, days):
    assert Size(600, 1_000, 1_400).days(units_a_day) == days


# Mismatch


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=4))
def test_a_split_in_any_unit_is_the_same(counts):
    split = list(range(1, len(counts) + 1))
    scaled = [10 * weight for weight in split]
    assert log_evidence(counts, split) == pytest.approx(log_evidence(counts, scaled), abs=1e-6)


def test_without_units_there_is_no_evidence():
    assert log_evidence([0, 0], [1, 1]) == pytest.approx(0.0, abs=1e-9)
    assert mismatch_p_values([[0, 0]], (1, 1)) == 1.0


@pytest.mark.parametrize("scale", [100, 1_000, 10_000])
def test_an_exact_split_is_never_denied(scale):
    assert not has_mismatch([[scale, 2 * scale], [3 * scale, 6 * scale]], (1, 2))


def test_evidence_grows_with_the_loss():
    p_values = [float(mismatch_p_values([[10_000, 10_000 - lost]], (1, 1))) for lost in (0, 300, 600, 1_200)]
    assert p_values == sorted(p_values, reverse=True)


# Chances to win


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(0.1, 2)), min_size=2, max_size=5))
@settings(max_examples=30)
def test_chances_to_win_sum_to_one(variants):
    chances = standings([estimate(mean, spread, 100) for mean, spread in variants])
    assert sum(chance.chance_to_win for chance in chances) == pytest.approx(1.0)
    assert min(chance.expected_loss for chance in chances) >= 0


@given(st.floats(-3, 3), st.floats(-4, 4), st.floats(-4, 4))
def test_chances_of_two_are_the_closed_form(distance, first, second):
    first, second = math.exp(first), math.exp(second)
    spread = math.hypot(first, second)
    losing, winning = standings([estimate(0.0, first, 1), estimate(distance, second, 1)])
    won = normal_distribution(distance / spread)
    density = math.exp(-((distance / spread) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert winning.chance_to_win == pytest.approx(won, abs=1e-9)
    assert losing.expected_loss == pytest.approx(distance * won + spread * density, abs=1e-9 * spread)


def test_certain_values_share_the_win():
    chances = standings([estimate(value, 0.0) for value in (1.0, 2.0, 2.0)])
    assert [chance.chance_to_win for chance in chances] == [0.0, 0.5, 0.5]
    assert [chance.expected_loss for chance in chances] == [1.0, 0.0, 0.0]


# Traffic that a bandit moved


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.1, math.nan])
def test_invalid_probability_is_refused(chance):
    with pytest.raises(ValueError, match="chances"):
        scores([0], [chance], [1.0], variants=2)


def test_burn_in_leaves_the_first_units_out():
    table = scores([0, 1, 0, 1], [0.5] * 4, [1.0, 0.0, 1.0, 0.0], variants=2)
    assert [each.n for each in adaptive_means(table, burn_in=1)] == [3.0, 3.0]
    difference = adaptive_difference(table)
    first, second = adaptive_means(table)
    assert difference.value == pytest.approx(second.value - first.value)


def test_with_certain_assignment_a_score_is_the_reward():
    table = scores([0, 0, 0], [1.0] * 3, [1.0, 5.0, 3.0], variants=1)
    assert table[:, 0].tolist() == [1.0, 5.0, 3.0]
