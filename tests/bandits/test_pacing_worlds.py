"""The worlds that pacing is measured in, and the best that can be gained in them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng

from benchmarks.checks import pacing
from benchmarks.checks.pacing_worlds import BUDGET_SHARE, STEPS, WORLDS, traffic_profile


@pytest.mark.parametrize("name", WORLDS)
def test_requests_come_in_order_with_chances_and_costs(name):
    world = WORLDS[name](default_rng(1))
    assert (np.diff(world.steps) >= 0).all()
    assert world.steps.max() < STEPS
    assert ((world.chances >= 0) & (world.chances <= 0.95)).all()
    assert (world.costs > 0).all()
    assert world.chances.shape == world.values.shape == world.costs.shape
    assert world.budget > 0


def test_a_peak_hour_has_a_third_of_the_traffic():
    profile = traffic_profile(WORLDS["a peak hour"](default_rng(1)))
    assert 0.28 < profile[19] / profile.sum() < 0.38


def test_the_best_gain_is_bounded_by_every_price():
    world = WORLDS["two offers that share the budget"](default_rng(1))
    best = pacing.clairvoyant_gain(world)
    for price in (0.0, 1.0, 5.0, 20.0):
        scores = world.chances * (world.values - price * world.costs)
        assert best <= np.maximum(scores.max(axis=1), 0).sum() + price * world.budget + 1e-6


def test_a_budget_for_everything_gains_everything():
    world = WORLDS["steady"](default_rng(1))
    rich = world._replace(budget=2 * world.budget / BUDGET_SHARE)
    greatest_value = np.maximum(world.chances * world.values, 0).sum()
    assert pacing.clairvoyant_gain(rich) == pytest.approx(greatest_value)
