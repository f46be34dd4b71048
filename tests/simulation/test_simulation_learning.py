"""Run small versions of the figures in docs/verification.md, with bounds loose enough for few seeds."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.checks.late_beliefs import belief_errors
from simulation.runner import run
from simulation.scenario import SimulationScenario, read

pytestmark = pytest.mark.long
ROOT = Path(__file__).parent.parent.parent


def scenario(name: str, **changes: object) -> SimulationScenario:
    text = (ROOT / "simulation" / "scenarios" / f"{name}.toml").read_text()
    return msgspec.structs.replace(read(text), **changes)


def regrets(scenario_played: SimulationScenario) -> dict[str, float]:
    """Return the mean final regret of each policy."""
    return {
        name: float(np.mean([run(scenario_played, index, seed)[-1] for seed in range(scenario_played.seeds)]))
        for index, name in enumerate(scenario_played.titles())
    }


@pytest.mark.long
def test_frozen_draws_cost_little_more_than_fresh_draws():
    cost = regrets(scenario("ten_arms", horizon=2_000, seeds=4))
    assert cost["thompson"] < 1.4 * cost["textbook"]


def test_after_jumps_ours_restarts_and_the_textbook_does_not():
    cost = regrets(scenario("jumps", horizon=8_000, seeds=2))
    assert cost["thompson that starts again"] < 0.6 * cost["textbook"]


@pytest.mark.long
def test_successes_that_trickle_in_are_not_mistaken_for_high_rates():
    cost = regrets(scenario("trickling", horizon=8_000, seeds=3))
    assert cost["thompson"] < 0.8 * cost["textbook"]


@pytest.mark.long
def test_posterior_means_are_unbiased_with_pending_outcomes():
    errors = belief_errors(3)
    assert abs(errors.earlier_curve.mean()) < 0.01
    assert abs(errors.current_curve[:, 1:].mean()) < 0.01
    assert abs(errors.thompson.mean()) < 0.01
    assert errors.pending_ignored.mean() > 0.1


@pytest.mark.long
def test_equally_late_outcomes_cost_no_more_with_pending_decisions():
    late = scenario("late", horizon=4_000)
    pending_counted, reported_only = (
        np.mean([run(late, late.titles().index(name), seed)[-1] for seed in range(4)])
        for name in ("thompson", "thompson outcomes only")
    )
    assert pending_counted < 1.1 * reported_only


def test_peers_save_a_new_merchant_most_of_the_cost():
    cost = regrets(scenario("new_merchant", horizon=400, seeds=3))
    assert cost["peers"] < 0.4 * cost["flat"]


def test_different_merchant_loses_little_from_the_common_prior():
    cost = regrets(scenario("unlike_merchant", horizon=500, seeds=3))
    assert cost["peers"] < 1.6 * cost["flat"]


def test_features_are_learned_beyond_a_rate_per_candidate():
    cost = regrets(scenario("contextual", horizon=1_000, seeds=1))
    assert cost["contextual"] < 0.5 * cost["thompson"]


def test_cells_that_learn_apart_sell_more_to_the_demos_shoppers():
    cost = regrets(scenario("shoppers", horizon=1_500, seeds=1))
    assert cost["each country, shrunk to all"] < cost["all countries as one"] < cost["uniform"]


def test_the_cascade_is_learned_faster_than_by_upper_bounds():
    cost = regrets(scenario("cascade", horizon=3_000, seeds=2))
    assert cost["thompson"] < cost["kl_ucb"]
