"""The price of a paced budget: it follows the spending, and spends a budget where it brings in most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits.pacing import (
    DAY_MS,
    FIRST_PRICE,
    HOUR_MS,
    LARGEST_PRICE,
    LEAST_PRICE,
    PacingStep,
    expected_traffic,
    hourly_profile,
    next_price,
)
from benchmarks.checks import pacing

EVEN = (1.0,) * 24


def step(spent: float, **changes: float) -> PacingStep:
    """Return a step of an hour in the middle of a hundred, when ten of a thousand are due."""
    values = {"left": 500.0, "elapsed": 1.0, "to_come": 50.0, "passed": 50.0, "horizon": 100.0}
    return PacingStep(spent, **(values | changes))


def test_spending_on_pace_keeps_the_price():
    assert next_price(2.0, step(10.0)) == 2.0


def test_spending_too_fast_raises_the_price_and_too_slowly_lowers_it():
    assert next_price(2.0, step(15.0)) > 2.0 > next_price(2.0, step(5.0))


def test_one_step_moves_the_price_by_a_limited_factor():
    assert next_price(2.0, step(10_000.0)) == pytest.approx(2.0 * 1.6487, rel=1e-4)


def test_steps_are_larger_in_the_beginning():
    first = step(15.0, left=1_000.0, to_come=100.0, passed=0.0)
    assert next_price(2.0, first) > next_price(2.0, step(15.0))


@pytest.mark.parametrize("changes", [{"left": 0.0}, {"elapsed": 0.0}, {"to_come": 0.0}])
def test_zero_due_keeps_the_price(changes):
    assert next_price(2.0, step(7.0, **changes)) == 2.0


@given(st.floats(LEAST_PRICE, LARGEST_PRICE), st.floats(0, 1e9), st.floats(0, 1e9))
def test_prices_stay_within_their_limits(price, spent, left):
    assert LEAST_PRICE <= next_price(price, step(spent, left=left)) <= LARGEST_PRICE


def test_traffic_is_counted_by_the_hour_of_the_day():
    profile = tuple(float(hour) for hour in range(24))
    assert expected_traffic(profile, 2 * HOUR_MS, 5 * HOUR_MS) == 2 + 3 + 4
    assert expected_traffic(profile, DAY_MS + HOUR_MS // 2, DAY_MS + HOUR_MS * 3 // 2) == 0.5
    assert expected_traffic(profile, 22 * HOUR_MS, 5 * DAY_MS + HOUR_MS) == pytest.approx(22 + 23 + 4 * 276)
    assert expected_traffic(EVEN, 5, 5) == expected_traffic(EVEN, 6, 5) == 0.0


def test_a_profile_without_traffic_is_even():
    assert hourly_profile([0] * 24) == EVEN


def test_busy_hours_get_more_and_quiet_hours_some():
    profile = hourly_profile([0] * 23 + [2_400])
    assert profile[23] > 10 * profile[0] > 0
    assert sum(profile) == pytest.approx(24)


def test_a_paced_budget_gains_far_more_than_a_hard_stop():
    paced, stopped, spent, fullest = pacing.shares("steady", 0)
    assert paced > 0.9 > 2 * stopped
    assert 0.95 < spent <= fullest <= 1


def test_every_budget_begins_at_the_same_price():
    assert LEAST_PRICE < FIRST_PRICE < LARGEST_PRICE
