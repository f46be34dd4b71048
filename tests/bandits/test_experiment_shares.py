"""Scores from sums by period are those of units; shares move towards the best; a wrong split is seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.experiments.adaptive import (
    SharesPeriod,
    adaptive_difference,
    adaptive_lift,
    adaptive_means,
    moments_of,
    moved_shares,
    scores,
    shares_p_value,
    variant_estimate,
    weighted_events,
)
from bandits.experiments.moments import MetricEstimate


def period(shares, units) -> SharesPeriod:
    """Return the sums of units, which are (variant, y)."""
    sums = np.zeros((3, len(shares)))
    for variant, y in units:
        sums[:, variant] += (1, y, y * y)
    return SharesPeriod(np.array(shares), *sums)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from((0.0, 1.0, 2.5))), min_size=2, max_size=30))
def test_periods_of_one_unit_are_scores_of_units(units):
    shares = (0.2, 0.3, 0.5)
    moments, _ = moments_of(period(shares, [unit]) for unit in units)
    arms, rewards = zip(*units, strict=True)
    by_unit = scores(arms, [shares[arm] for arm in arms], rewards, variants=3)
    for variant, expected in enumerate(adaptive_means(by_unit)):
        estimate = variant_estimate(moments, variant)
        assert (estimate.value, estimate.variance) == pytest.approx((expected.value, expected.variance), abs=1e-9)
    difference = adaptive_difference(by_unit, variant=2)
    covariance = moments.covariance
    assert covariance[2, 2] + covariance[0, 0] - 2 * covariance[0, 2] == pytest.approx(difference.variance, abs=1e-9)


def test_moments_continue_from_earlier_sums():
    periods = [period((0.5, 0.5), [(0, 1.0), (1, 0.0)]), period((0.9, 0.1), [(0, 1.0), (1, 1.0), (0, 0.0)])]
    whole, _ = moments_of(periods)
    first, past = moments_of(periods[:1])
    second, _ = moments_of(periods[1:], past)
    assert (first + second).products == pytest.approx(whole.products)
    with pytest.raises(ValueError, match="a period"):
        moments_of([])


def test_a_lift_is_unbiased_on_moved_traffic():
    rng, lifts = np.random.default_rng(3), []
    for _ in range(60):
        periods, share = [], 0.5
        for _ in range(20):
            arms = (rng.random(200) < share).astype(int)
            wins = rng.random(200) < np.array((0.2, 0.24))[arms]
            periods.append(period((1 - share, share), list(zip(arms, wins.astype(float), strict=True))))
            moments, _ = moments_of(periods)
            share = moved_shares([variant_estimate(moments, number) for number in range(2)], floor=0.05)[1]
        lifts.append(adaptive_lift(moments, 1).value)
    assert np.mean(lifts) == pytest.approx(0.2, abs=4 * np.std(lifts) / np.sqrt(len(lifts)))


def test_events_of_a_small_share_count_little():
    even = period((0.5, 0.5), [(variant, 1.0) for variant in (0, 1)] * 40)
    assert weighted_events([even]) == pytest.approx([40, 40])
    moved = period((0.95, 0.05), [(0, 1.0)] * 38 + [(1, 1.0)] * 2)
    assert weighted_events([even, moved])[1] == pytest.approx((80 + 40) ** 2 / (160 + 800))
    assert weighted_events([]) == 0


def test_shares_keep_the_floor_and_add_up():
    shares = moved_shares([MetricEstimate(0.1, 0.01, 1e6), MetricEstimate(0.5, 0.01, 1e6)], floor=0.05)
    assert shares == pytest.approx([0.05, 0.95])


def test_wrong_split_is_detected_and_correct_split_is_not():
    rng = np.random.default_rng(5)
    shares = np.array([(0.5, 0.5), (0.2, 0.8), (0.1, 0.9)] * 20)
    right = np.array([rng.multinomial(200, row) for row in shares], float)
    wrong = right * (1.0, 0.8)
    assert shares_p_value(shares, right) > 0.01
    assert shares_p_value(shares, wrong) < 0.01
    assert shares_p_value(shares[:0], right[:0]) == 1.0
