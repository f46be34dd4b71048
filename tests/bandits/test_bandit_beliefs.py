import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bandits import (
    FLAT,
    Evidence,
    Prior,
    Statistics,
    interval,
    mean,
    posterior,
    recency_weight,
)

statistics = st.integers(0, 100_000).flatmap(
    lambda trials: st.builds(Statistics, st.just(trials), st.integers(0, trials))
)


def test_statistics_add_and_subtract():
    total = Statistics(10, 4) + Statistics(5, 1)
    assert total == Statistics(15, 5)
    assert total - Statistics(5, 1) == Statistics(10, 4)


def test_untried_candidate_has_the_flat_prior():
    assert posterior(Statistics()) == (1, 1)
    assert mean(Statistics()) == 0.5
    assert interval(Statistics()) == pytest.approx((0.025, 0.975))


@given(statistics)
def test_the_flat_prior_adds_exactly_one_success_and_failure(statistics):
    expected = (1.0 + statistics.successes, 1.0 + statistics.trials - statistics.successes)
    assert posterior(statistics) == posterior(statistics, FLAT) == expected


def test_prior_counts_as_trials_of_its_mean():
    prior = Prior(0.2, 10)
    assert posterior(Evidence(), prior) == (2, 8)
    assert posterior(Evidence(5.5, 1.5), prior) == (3.5, 12)
    assert mean(Evidence(10, 8), prior) == pytest.approx(0.5)
    assert interval(Evidence(10, 8), 0.9, prior) == pytest.approx(tuple(stats.beta(10, 10).ppf([0.05, 0.95])))


@pytest.mark.parametrize(
    ("mean", "strength", "what"),
    [(0, 1, "mean"), (1, 1, "mean"), (0.5, 0, "strength"), (0.5, np.nan, "strength")],
)
def test_a_prior_that_no_trial_could_move_is_refused(mean, strength, what):
    with pytest.raises(ValueError, match=f"{what} must"):
        Prior(mean, strength)


def test_more_successes_than_trials_are_refused():
    with pytest.raises(ValueError, match="successes must lie between 0 and trials"):
        posterior(Statistics(1, 2))


@given(statistics, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_interval_is_scipys(statistics, level):
    low, high = interval(statistics, level)
    expected = stats.beta(*posterior(statistics)).ppf([(1 - level) / 2, (1 + level) / 2])
    assert [low, high] == pytest.approx(list(expected), rel=1e-7)


@pytest.mark.parametrize("trials", [10**6, 10**8])
@pytest.mark.parametrize("share", [0.0, 1e-6, 0.3, 1.0])
def test_the_interval_is_right_for_very_many_trials(trials, share):
    statistics = Statistics(trials, int(trials * share))
    expected = stats.beta(*posterior(statistics)).ppf([0.025, 0.975])
    assert list(interval(statistics)) == pytest.approx(list(expected), rel=1e-6)


def test_a_level_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        interval(Statistics(), 1.0)


def test_an_event_counts_half_after_a_half_life():
    assert recency_weight(0, 30) == 1
    assert recency_weight(30, 30) == 0.5
    assert recency_weight(60, 30) == 0.25


def test_half_life_of_zero_is_refused():
    with pytest.raises(ValueError, match="half_life_days must be positive"):
        recency_weight(1, 0)
