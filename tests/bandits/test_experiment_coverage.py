"""Small versions of the checks of intervals that hold at every look; `make verify` runs many more."""

from __future__ import annotations

import numpy as np
import pytest

from bandits.experiments.moments import Moments
from benchmarks.checks.experiment_coverage import (
    LIFT,
    adjusted,
    missed,
    moved_nothing,
    ratios,
    value_and_past,
    visits_and_orders,
)
from benchmarks.checks.experiments import METRICS


@pytest.mark.parametrize(("draw", "estimate"), [(visits_and_orders, ratios), (value_and_past, adjusted)])
def test_intervals_are_valid_at_every_look(draw, estimate):
    assert sum(missed(draw, estimate, seed, units=2_000) for seed in range(25)) <= 3


@pytest.mark.parametrize(("draw", "estimate"), [(visits_and_orders, ratios), (value_and_past, adjusted)])
def test_simulated_lift_is_the_true_lift(draw, estimate):
    control, variant = (Moments.of(rows) for rows in draw(np.random.default_rng(1), 100_000))
    first, second = estimate([control, variant])
    assert second.value / first.value - 1 == pytest.approx(LIFT, abs=0.02)


@pytest.mark.parametrize("name", METRICS)
def test_a_bandit_between_equals_rejects_few(name):
    is_binary = name != "skewed revenue"
    assert sum(moved_nothing(METRICS[name], seed, is_binary=is_binary, units=2_000) for seed in range(20)) <= 2
