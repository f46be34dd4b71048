"""Intervals of estimates if customers come back."""

import numpy as np
import pytest
from scipy import stats

from bandits.evaluation.clusters import Clusters
from bandits.evaluation.estimators import effect, ips, snips
from bandits.evaluation.intervals import unskewed_interval
from bandits.posterior.student import student_distribution, student_quantile
from benchmarks.checks.customers import METHODS, coverage, draw_log


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("visits", [1, 20])
def test_intervals_have_nominal_coverage_with_returning_customers(method, visits):
    assert 0.88 <= coverage(method, visits, sticky=True, seeds=range(120)) <= 0.99


def test_intervals_without_customers_are_far_too_narrow():
    log = draw_log(20, np.random.default_rng(1), sticky=True)
    without, with_customers = (snips(log.weights, log.rewards, clusters=labels) for labels in (None, log.customers))
    assert with_customers.value == without.value
    assert with_customers.high - with_customers.low > 1.5 * (without.high - without.low)


def test_customers_with_one_visit_change_no_interval():
    log = draw_log(1, np.random.default_rng(2), sticky=False)
    for estimator in (ips, snips, effect):
        without, single = (estimator(log.weights, log.rewards, clusters=labels) for labels in (None, log.customers))
        assert single.low == pytest.approx(without.low, abs=2e-4)
        assert single.high == pytest.approx(without.high, abs=2e-4)


def test_order_and_labels_of_customers_do_not_matter():
    log = draw_log(5, np.random.default_rng(3), sticky=True)
    order = np.random.default_rng(4).permutation(len(log.weights))
    labels = [f"customer {number}" for number in log.customers[order]]
    before = effect(log.weights, log.rewards, clusters=log.customers)
    after = effect(log.weights[order], log.rewards[order], clusters=labels)
    assert (after.low, after.high) == pytest.approx((before.low, before.high))


def test_too_few_customers_are_refused():
    rewards = np.random.default_rng(5).random(6_000)
    refused = snips(np.ones(6_000), rewards, clusters=np.arange(6_000) % 12)
    assert "those of 12 customers; at least 20 are needed" in refused.refused
    assert not snips(np.ones(6_000), rewards, clusters=np.arange(6_000) % 30).refused


def test_a_single_customer_has_no_interval():
    terms = np.arange(10.0)
    assert unskewed_interval(terms, Clusters.of(np.zeros(10), np.ones(10))) == (-np.inf, np.inf)


def test_customers_of_equal_size_have_the_jackknifes_error():
    terms, groups = np.random.default_rng(6).normal(size=60), np.repeat(np.arange(12), 5)
    clusters = Clusters.of(groups, np.ones(60))
    without = [terms[groups != group].mean() for group in range(12)]
    jackknife = np.sqrt(((np.array(without) - terms.mean()) ** 2).sum())
    assert clusters.error(clusters.sums(terms - terms.mean())) / 60 == pytest.approx(jackknife)


def test_heavy_rows_beside_a_slope_count_by_their_deviations():
    """Satterthwaite's (1946) degrees of freedom of a sum of normal deviations that are proportional to x."""
    rng = np.random.default_rng(7)
    x = rng.lognormal(sigma=1.0, size=400)
    exact = float((x**2).sum()) ** 2 / float((x**4).sum())
    clusters = Clusters.of(np.arange(400), np.ones(400)).with_slope(x)
    degrees = [clusters.degrees_of_freedom(x * rng.normal(size=400)) for _ in range(100)]
    assert 0.8 * exact < np.median(degrees) <= 1.01 * exact


def test_a_customer_is_needed_for_each_decision():
    with pytest.raises(ValueError, match="a cluster for each of 3 decisions"):
        ips([1.0, 1.0, 1.0], [0.0, 1.0, 0.0], clusters=[1, 2])


@pytest.mark.parametrize("degrees", [1.0, 2.5, 11.0, 400.0, 1e5])
def test_students_distribution_is_the_same_as_scipys(degrees):
    assert student_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)
    for t in (-3.0, -0.1, 0.0, 2.0):
        assert student_distribution(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), rel=1e-9)
