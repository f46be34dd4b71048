"""Small versions of the figures in docs/verification.md, with bounds loose enough for few seeds."""

from pathlib import Path

import msgspec
import numpy as np

from benchmarks.checks.late_beliefs import off
from simulation.runner import run
from simulation.scenario import Scenario, read

ROOT = Path(__file__).parent.parent.parent


def scenario(name: str, **changes: object) -> Scenario:
    text = (ROOT / "simulation" / "scenarios" / f"{name}.toml").read_text()
    return msgspec.structs.replace(read(text), **changes)


def regrets(played: Scenario) -> dict[str, float]:
    """The mean regret of each policy at the end."""
    return {
        name: float(np.mean([run(played, index, seed)[-1] for seed in range(played.seeds)]))
        for index, name in enumerate(played.titles())
    }


def test_frozen_draws_cost_next_to_nothing_against_a_draw_at_each_visit():
    cost = regrets(scenario("ten_arms", horizon=2_000, seeds=4))
    assert cost["thompson"] < 1.4 * cost["textbook"]


def test_after_jumps_ours_starts_again_and_the_textbook_does_not():
    cost = regrets(scenario("jumps", horizon=8_000, seeds=2))
    assert cost["thompson that starts again"] < 0.6 * cost["textbook"]


def test_successes_that_trickle_in_are_not_mistaken_for_high_rates():
    cost = regrets(scenario("trickling", horizon=8_000, seeds=3))
    assert cost["thompson"] < 0.8 * cost["textbook"]


def test_posterior_means_are_right_while_outcomes_are_under_way():
    found = off(6)
    assert abs(found.known.mean()) < 0.01
    assert abs(found.learned[:, 1:].mean()) < 0.01
    assert abs(found.chosen.mean()) < 0.01
    assert found.as_told.mean() > 0.1


def test_outcomes_that_all_come_equally_late_are_waited_for_as_if_open_decisions_did_not_count():
    late = scenario("late", horizon=4_000)
    ours, told_only = (
        np.mean([run(late, late.titles().index(name), seed)[-1] for seed in range(4)])
        for name in ("thompson", "thompson told only")
    )
    assert ours < 1.1 * told_only


def test_what_others_learned_saves_a_new_merchant_most_of_the_cost():
    cost = regrets(scenario("new_merchant", horizon=400, seeds=3))
    assert cost["peers"] < 0.4 * cost["flat"]


def test_a_merchant_unlike_its_peers_pays_little_for_their_example():
    cost = regrets(scenario("unlike_merchant", horizon=500, seeds=3))
    assert cost["peers"] < 1.6 * cost["flat"]


def test_features_are_learned_that_a_rate_for_each_candidate_cannot_hold():
    cost = regrets(scenario("contextual", horizon=1_000, seeds=1))
    assert cost["contextual"] < 0.5 * cost["thompson"]


def test_cells_that_learn_apart_sell_more_to_the_demos_shoppers():
    cost = regrets(scenario("shoppers", horizon=1_500, seeds=1))
    assert cost["each country, shrunk to all"] < cost["all countries as one"] < cost["uniform"]


def test_the_cascade_is_learned_faster_than_by_upper_bounds():
    cost = regrets(scenario("cascade", horizon=3_000, seeds=2))
    assert cost["thompson"] < cost["kl_ucb"]
