from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import DelayCurve, bin_of, effective_trials
from bandits.evidence.delay import EDGES, NOT_YET, PendingCount

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def histogram(delays):
    return np.bincount([bin_of(int(delay)) for delay in delays], minlength=len(EDGES)).tolist()


def delays_of(mean, count=20_000, seed=0):
    return histogram(np.random.default_rng(seed).exponential(mean, count))


# Bins.


def test_a_bin_holds_delays_up_to_the_next_edge():
    for index, edge in enumerate(EDGES):
        assert bin_of(edge) == index
        assert bin_of(edge - 1) == max(index - 1, 0)


def test_bins_grow_by_less_than_a_fifth():
    assert all(above / below < 1.2 for below, above in pairwise(EDGES[1:]))
    assert bin_of(10_000 * DAY) == len(EDGES) - 1


def test_an_outcome_from_before_its_decision_has_no_delay():
    assert bin_of(-5_000) == 0


# The curve.


@pytest.mark.parametrize("mean", [5_000, 20 * MINUTE, 5 * HOUR])
def test_without_reported_failures_the_share_is_that_of_successes(mean):
    curve = DelayCurve(delays_of(mean), window_ms=30 * DAY)
    for age in np.array([0.1, 0.5, 1, 2, 4]) * mean:
        assert curve.share(age) == pytest.approx(1 - np.exp(-age / mean), abs=0.015)


def test_failures_reported_as_fast_as_successes_leave_little_weight():
    curve = DelayCurve(delays_of(HOUR), delays_of(HOUR, seed=1), window_ms=30 * DAY)
    assert all(curve.share(age * HOUR) < 0.05 for age in (0.1, 0.5, 1, 2))


def test_equal_delays_give_no_earlier_evidence():
    curve = DelayCurve(histogram([1_000_000] * 300), histogram([1_000_000] * 700), window_ms=2_000_000)
    assert curve.share(990_000) < 0.01


def test_without_outcomes_a_pending_decision_has_weight_zero():
    for pending in ([], [PendingCount(bin_of(30 * MINUTE), NOT_YET, 0, 50)]):
        curve = DelayCurve([], window_ms=HOUR, pending=pending)
        assert [curve.share(HOUR * part) for part in (0, 0.25, 0.5, 0.75, 1, 2)] == [0, 0, 0, 0, 1, 1]


def test_decisions_over_a_span_count_at_its_middle():
    curve = DelayCurve(delays_of(HOUR), window_ms=30 * DAY)
    assert curve.share_since(HOUR, 20 * MINUTE) == curve.share(50 * MINUTE)
    assert curve.share_since(10 * MINUTE, 20 * MINUTE) == curve.share(5 * MINUTE)


def pending_counts(delays, ages, *, failures_are_reported=False):
    """Count pending decisions, every other of which fails; failures are reported only if the flag says so."""
    return [
        PendingCount(
            bin_of(int(age)),
            bin_of(int(delay)) if learned else NOT_YET,
            int(learned and won),
            int(not (learned and won)),
        )
        for number, (delay, age) in enumerate(zip(delays, ages, strict=True))
        for won in [number % 2 == 0]
        for learned in [delay < age and (won or failures_are_reported)]
    ]


def test_missing_slow_successes_do_not_shorten_delays():
    rng, mean = np.random.default_rng(0), HOUR
    delays, ages = rng.exponential(mean, 20_000), rng.uniform(0, 4 * mean, 20_000)
    seen = pending_counts(delays, ages)
    curve = DelayCurve([], window_ms=5 * mean, pending=seen)
    naive = DelayCurve(histogram([delay for delay, age in zip(delays, ages, strict=True) if delay < age]),
                       window_ms=5 * mean)  # fmt: skip
    true = [1 - np.exp(-age) for age in (0.5, 1, 2, 3)]
    assert [curve.share(age * mean) for age in (0.5, 1, 2, 3)] == pytest.approx(true, abs=0.03)
    assert naive.share(mean) > true[1] + 0.05


def test_delays_are_right_while_the_success_rate_grows():
    rng, mean = np.random.default_rng(1), HOUR
    ages = 4 * mean * rng.random(40_000) ** 3
    curve = DelayCurve([], window_ms=5 * mean, pending=pending_counts(rng.exponential(mean, 40_000), ages))
    assert [curve.share(age * mean) for age in (0.5, 1, 2)] == pytest.approx([0.39, 0.63, 0.86], abs=0.03)


def test_delays_beyond_the_greatest_age_follow_the_prior():
    curve = DelayCurve([], window_ms=2**16 * 1_000, pending=pending_counts([1_000] * 2_000, [2**8 * 1_000] * 2_000))
    assert [curve.share(2**doublings * 1_000) for doublings in (8, 10, 12, 14)] == pytest.approx(
        [8 / 16, 10 / 16, 12 / 16, 14 / 16], abs=0.02
    )


def test_reported_failures_of_pending_decisions_leave_little_weight():
    rng, mean = np.random.default_rng(2), HOUR
    delays, ages = rng.exponential(mean, 20_000), rng.uniform(0, 4 * mean, 20_000)
    reported = DelayCurve([], window_ms=5 * mean, pending=pending_counts(delays, ages, failures_are_reported=True))
    silent = DelayCurve([], window_ms=5 * mean, pending=pending_counts(delays, ages))
    assert all(reported.share(age * mean) < 0.25 * silent.share(age * mean) for age in (0.25, 0.5, 1))


def test_pending_and_closed_decisions_agree_once_resolved():
    delays = np.random.default_rng(3).exponential(HOUR, 4_000)
    old = [PendingCount(bin_of(30 * DAY), bin_of(int(delay)), 1, 0) for delay in delays[:2_000]]
    both = DelayCurve(histogram(delays[2_000:]), window_ms=40 * DAY, pending=old)
    closed = DelayCurve(histogram(delays), window_ms=40 * DAY)
    assert [both.share(age * HOUR) for age in (0.5, 1, 2)] == pytest.approx(
        [closed.share(age * HOUR) for age in (0.5, 1, 2)], abs=1e-3
    )


def test_two_quick_successes_outweigh_the_prior():
    curve = DelayCurve(histogram([1_000] * 2), window_ms=HOUR)
    assert curve.share(2 * MINUTE) == pytest.approx(2 / 3, abs=0.01)


def test_when_the_window_closes_an_open_decision_is_a_failure():
    assert DelayCurve(delays_of(DAY), delays_of(DAY), window_ms=HOUR).share(HOUR) == 1


def test_window_of_zero_is_refused():
    with pytest.raises(ValueError, match="window_ms must be positive"):
        DelayCurve([], window_ms=0)


counts = st.lists(st.integers(0, 1_000), max_size=len(EDGES))


@given(counts, counts, st.integers(1, 400 * DAY), st.lists(st.floats(0, 500 * DAY), min_size=2, max_size=20))
def test_the_share_is_a_share_and_never_falls_with_age(successes, failures, window, ages):
    curve = DelayCurve(successes, failures, window_ms=window)
    shares = [curve.share(age) for age in sorted(ages)]
    assert shares == sorted(shares)
    assert min(shares) >= 0
    assert max(shares) <= 1


# What an open decision is worth.


def means_under_way(*, silent, rate=0.3, decisions=200_000, mean=400, window=2_000, seed=0):
    """Means of an arm with a decision a second, its outcomes on their way: of what settled alone, and with the open."""
    rng = np.random.default_rng(seed)
    delays = np.minimum(rng.exponential(mean, decisions), window)
    won = (rng.random(decisions) < rate) & (delays < window)
    delays[~won & silent] = window
    curve = DelayCurve(histogram(1_000 * delays[won]), histogram(1_000 * delays[~won]), window_ms=1_000 * window)
    # Only the newest are looked at: here much is under way.
    ages, settles, success = (column[-window:] for column in (decisions - np.arange(decisions), delays, won))
    settled = settles <= ages
    trials, successes = settled.sum(), (settled & success).sum()
    shares = [curve.share(1_000 * age) for age in ages[~settled].tolist()]
    columns = [[trials, *[1] * len(shares)]], [[successes, *[0] * len(shares)]], [1.0, *shares]
    return won.mean(), successes / trials, successes / effective_trials(*columns)[0]


@pytest.mark.parametrize("silent", [True, False])
def test_the_mean_is_right_while_outcomes_are_pending(silent):
    every = np.array([means_under_way(silent=silent, seed=seed) for seed in range(5)])
    true, settled, whole = every.mean(axis=0)
    assert whole == pytest.approx(true, rel=0.03)
    # Without them, successes reported at once would seem to be all.
    assert (settled > 1.5 * true) == silent
