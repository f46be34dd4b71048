"""Statistics of experiments: intervals that hold while one looks, corrections, sizes and checks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bandits.experiments.adaptive import adaptive_difference, adaptive_means, scores
from bandits.experiments.chances import standings
from bandits.experiments.comparison import difference_of, holm, lift_of, two_proportions, welch
from bandits.experiments.group_sequential import bounds
from bandits.experiments.guardrail import is_broken
from bandits.experiments.moments import MetricEstimate, Moments, adjusted_means, mean_of, ratio_of
from bandits.experiments.sequential import anytime_p_value, is_ready, margin, precision_for, sequential
from bandits.experiments.size import binary_goal, detectable, group_inflation, sequential_inflation, size_for
from benchmarks.checks import experiments as checks


@pytest.mark.parametrize("metric", checks.METRICS)
def test_looking_all_the_time_rejects_few_experiments_without_effect(metric):
    peeked = checks.look_at_nothing(checks.METRICS[metric], 400, seed=1)
    assert peeked.sequential.mean() <= 0.05
    assert peeked.z_test.mean() > 0.2


def test_intervals_are_valid_while_a_bandit_changes_traffic():
    missed = np.array([checks.bandit_run((0.1, 0.13), seed, units=2_000) for seed in range(20)])
    assert missed[:, 0].sum() <= 3
    assert missed[:, 1].sum() > missed[:, 0].sum()


def test_intervals_of_a_fixed_horizon_hold_the_truth():
    fixed = checks.fixed_coverage(150, units=800)
    assert all(0.89 <= share <= 0.99 for share in fixed.held.values()), fixed.held
    assert 0.45 <= 1 - fixed.variance_ratio <= 0.53


def test_cost_of_looks_equals_the_calculator():
    times = checks.stopping_times(400)
    assert np.median(times) <= 1.15
    assert np.quantile(times, 0.8) == pytest.approx(sequential_inflation(), rel=0.15)
    assert 1.6 <= sequential_inflation() <= 1.75
    assert group_inflation(5) <= 1.1


def test_sums_give_the_same_result_as_units():
    rows = np.random.default_rng(1).lognormal(size=(500, 3))
    whole = Moments.of(rows[:200]) + Moments.of(rows[200:])
    assert whole.means == pytest.approx(rows.mean(axis=0))
    assert whole.covariance == pytest.approx(np.cov(rows.T))


def test_heavy_tails_are_capped():
    units = Moments.of([1.0, 2.0, 1_000.0], cap=10.0)
    assert (mean_of(units).value, units.products[0, 0]) == (13 / 3, 105.0)


def test_ratio_of_sums_clusters_visits_by_unit():
    rng = np.random.default_rng(2)
    visits = rng.geometric(0.2, 4_000)
    orders = rng.binomial(visits, rng.beta(1, 4, 4_000))
    ratio = ratio_of(Moments.of(np.column_stack((orders, visits))))
    naive = math.sqrt(ratio.value * (1 - ratio.value) / visits.sum())
    assert ratio.value == pytest.approx(orders.sum() / visits.sum())
    assert ratio.error > 1.3 * naive


def test_adjusting_for_the_past_takes_out_a_difference_that_was_there_before():
    rng = np.random.default_rng(3)
    past = [rng.normal(0.0, 1.0, 3_000), rng.normal(0.1, 1.0, 3_000)]
    units = [np.column_stack((3 * values + rng.normal(size=3_000), values)) for values in past]
    plain, adjusted = (
        [mean_of(Moments.of(rows)) for rows in units],
        adjusted_means([Moments.of(rows) for rows in units]),
    )
    assert plain[1].value - plain[0].value > 0.2
    assert abs(adjusted[1].value - adjusted[0].value) < 0.1
    assert adjusted[0].error < 0.5 * plain[0].error


@pytest.mark.parametrize("seed", range(40))
def test_welchs_test_is_the_same_as_scipys(seed):
    rng = np.random.default_rng([4, seed])
    first, second = rng.normal(size=rng.integers(3, 60)), rng.exponential(rng.lognormal(), rng.integers(3, 60))
    ours = welch(mean_of(Moments.of(first)), mean_of(Moments.of(second)))
    theirs = stats.ttest_ind(second, first, equal_var=False)
    interval = theirs.confidence_interval()
    expected = (second.mean() - first.mean(), interval.low, interval.high, theirs.pvalue)
    assert (ours.value, ours.low, ours.high, ours.p_value) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_two_shares_are_compared_as_by_a_chi_squared_test():
    ours = two_proportions((40, 65), (500, 520))
    theirs = stats.chi2_contingency([[40, 460], [65, 455]], correction=False)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.low < 65 / 520 - 40 / 500 < ours.high


def test_holm_adjusts_in_steps():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_bounds_of_five_looks_equal_published_values():
    # Lan and DeMets' O'Brien-Fleming spending, two-sided .05, as in the R package ldbounds.
    assert bounds([0.2, 0.4, 0.6, 0.8, 1.0]) == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)
    assert bounds([1.0]) == pytest.approx([1.959964], abs=1e-4)


def test_the_anytime_p_value_agrees_with_the_interval():
    rho = precision_for(5_000)
    for value in (0.0, 0.03, 0.0388, 0.05, 0.2):
        estimate = MetricEstimate(value, 1.0, 4_000)
        interval = sequential(estimate, rho)
        assert (interval.low > 0) == (anytime_p_value(estimate, rho) < 0.05)


def test_the_sequence_is_narrowest_for_the_planned_number_of_units():
    estimate = MetricEstimate(0.0, 1.0, 10_000)
    widths = {units: margin(estimate, precision_for(units)) for units in (1_000, 10_000, 100_000)}
    assert min(widths, key=widths.__getitem__) == 10_000
    assert margin(MetricEstimate(0.0, 1.0, 0), 0.1) == math.inf


@pytest.mark.parametrize(
    ("units", "has_verdict"), [([1.0] * 10 + [0.0] * 990, False), ([1.0] * 50 + [0.0] * 950, True), ([1.0] * 50, False)]
)
def test_no_verdict_before_events(units, has_verdict):
    assert is_ready(mean_of(Moments.of(units)), binary=True) is has_verdict


def test_chance_to_win_and_loss_of_two_variants_have_closed_forms():
    first, second = MetricEstimate(0.10, 0.09, 1_000), MetricEstimate(0.12, 0.1056, 1_000)
    error = math.hypot(first.error, second.error)
    z = 0.02 / error
    standing = standings([first, second])[1]
    assert standing.chance_to_win == pytest.approx(stats.norm.cdf(z), abs=1e-5)
    assert standing.expected_loss == pytest.approx(error * stats.norm.pdf(z) - 0.02 * stats.norm.sf(z), abs=1e-7)


def test_three_equal_variants_win_equally_often():
    third = standings([MetricEstimate(1.0, 4.0, 900)] * 3)
    assert [standing.chance_to_win for standing in third] == pytest.approx([1 / 3] * 3)


def test_a_prior_brings_variants_together():
    variants = [MetricEstimate(0.10, 0.09, 1_000), MetricEstimate(0.12, 0.09, 1_000)]
    assert standings(variants, prior_spread=0.005)[1].chance_to_win < standings(variants)[1].chance_to_win


def test_scores_are_unbiased_for_any_bandit():
    moved = [checks.bandit_traffic((0.1, 0.3), 1_000, np.random.default_rng([5, seed])) for seed in range(60)]
    values = [[mean.value for mean in adaptive_means(scores(*run, variants=2), burn_in=100)] for run in moved]
    assert np.mean(values, axis=0) == pytest.approx([0.1, 0.3], abs=0.02)


def test_score_uses_only_the_past():
    before = scores([0, 1, 0], [0.5, 0.5, 0.5], [1.0, 0.0, 1.0], variants=2)
    after = scores([0, 1, 0], [0.5, 0.5, 0.5], [1.0, 0.0, 99.0], variants=2)
    assert before[:2].tolist() == after[:2].tolist()
    assert adaptive_difference(before).n == 3
    with pytest.raises(ValueError, match="chances must lie above 0"):
        scores([0], [0.0], [1.0], variants=2)


def test_a_guardrail_breaks_only_if_more_is_lost_than_tolerated():
    rho = precision_for(10_000)
    lost = MetricEstimate(-0.05, 0.2, 10_000)
    assert is_broken(lost, tolerated=0.02, rho=rho)
    assert not is_broken(lost, tolerated=0.05, rho=rho)
    assert not is_broken(MetricEstimate(-0.05, 0.2, 100), tolerated=0.0, rho=rho)


def test_sizes_are_the_textbooks():
    size = size_for(binary_goal(0.1, 0.1))
    assert size.fixed == pytest.approx(2 * 14_749, rel=0.002)
    assert size.fixed < size.group_sequential < size.sequential
    assert size.days(3_000) == (14, 14, 21)
    assert detectable(size.fixed, binary_goal(0.1, 0.1)) == pytest.approx(0.01, rel=0.001)


@pytest.mark.parametrize("units", [[0.0] * 200, [1.0] * 200])
def test_metrics_without_variance_are_an_answer(units):
    same = [mean_of(Moments.of(units)) for _ in range(2)]
    assert welch(*same).p_value == 1.0
    assert anytime_p_value(difference_of(*same), 0.1) == 1.0
    assert [standing.chance_to_win for standing in standings(same)] == [0.5, 0.5]
    assert math.isnan(lift_of(*same).value) == (units[0] == 0)
    assert math.isnan(ratio_of(Moments.of([[1.0, 0.0]])).value)


def test_lift_is_relative_to_the_control():
    lift = lift_of(MetricEstimate(0.10, 0.09, 4_000), MetricEstimate(0.11, 0.0979, 4_000))
    assert lift.value == pytest.approx(0.1)
    assert lift.error == pytest.approx(0.1 * math.hypot(0.4850, 0.4974 / 1.1) * 1.0, rel=0.2)


def test_loss_in_a_segment_is_found_without_health_warnings():
    assert checks.mismatches(8, lost=0.02) == 1.0
    assert checks.mismatches(25, lost=0.0, units=20_000) <= 0.04


@pytest.mark.parametrize("amount", [1, 4_999, 123_456_789])
def test_a_ratio_of_like_amounts_does_not_vary(amount):
    orders = np.array([0.0, 1.0, 2.0, 3.0] * 2_025)
    units = np.column_stack((orders * amount, orders))
    assert ratio_of(Moments.of(units)).error == 0.0
