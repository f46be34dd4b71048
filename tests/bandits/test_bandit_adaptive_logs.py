"""Estimates from the log of a learning policy: its first third selects, the rest estimates."""

import numpy as np
import pytest

from bandits.evaluation.adaptive_logs import PARTS, estimate_later, refusal_beforehand
from bandits.evaluation.estimators import effect, snips
from benchmarks.checks.rare_arms import by_later, by_whole, describe, play

RATES = (0.30, 0.28, 0.25, 0.20)


@pytest.fixture(scope="module")
def logs():
    return [play(RATES, 3_000, seed) for seed in range(150)]


def bias(estimates, rate):
    kept = [each.value for each in estimates if not each.refused]
    return np.mean(kept) / rate - 1, len(kept)


def test_a_rarely_tried_arm_is_not_overrated(logs):
    """The usual refusal passes the logs in which it was lucky."""
    usual, _ = bias([by_whole(log, 2) for log in logs], RATES[2])
    later, count = bias([by_later(log, 2) for log in logs], RATES[2])
    assert usual > 0.05
    assert count > 60
    assert abs(later) < 0.05


def test_intervals_of_later_parts_hold_the_truth(logs):
    estimates = [by_later(log, arm) for log in logs for arm in range(3)]
    held = [each.low <= RATES[number % 3] <= each.high for number, each in enumerate(estimates) if not each.refused]
    assert 0.91 <= np.mean(held) <= 0.985


def test_only_the_first_third_decides():
    weights = np.ones(300)
    assert refusal_beforehand(weights) == ""
    scarce = np.zeros(900)
    scarce[::90] = 90.0
    assert "as much as 12 decisions" in refusal_beforehand(scarce)
    changed = scarce.copy()
    changed[300:] = 1.0
    assert refusal_beforehand(changed) == refusal_beforehand(np.append(scarce[:300], np.ones(600))) != ""
    assert refusal_beforehand(np.append(np.ones(300), scarce[300:])) == ""


def test_recently_abandoned_candidate_is_refused():
    weights = np.ones(900)
    weights[150:300] = 0.0
    weights[160] = 150.0
    assert "as much as" in refusal_beforehand(weights)


def test_mean_weight_far_from_1_is_refused():
    assert "mean weight of the first third" in refusal_beforehand(np.full(900, 0.5))
    assert refusal_beforehand(np.ones(5)) == "there are too few decisions"


def test_the_worst_slot_of_a_ranking_decides():
    steps = np.ones((900, 2))
    steps[:, 1] = 0.0
    steps[::90, 1] = 90.0
    assert refusal_beforehand(steps[:, :1]) == ""
    assert "as much as 12" in refusal_beforehand(steps)


def test_differences_are_judged_by_the_rows_that_differ():
    weights = np.ones(3_000)
    weights[::100] = np.tile([2.0, 0.0], 15)
    assert refusal_beforehand(weights) == ""
    assert "are needed" in refusal_beforehand(weights, differs_only=True)
    assert refusal_beforehand(np.ones(300), differs_only=True) == ""
    rewards = np.zeros(3_000)
    made = estimate_later(weights, lambda rows: effect(weights[rows], rewards[rows]), differs_only=True)
    assert made.refused


def test_an_estimate_is_made_of_later_rows_only():
    rewards = np.repeat([1.0, 0.0], [300, 600])
    made = estimate_later(np.ones(900), lambda rows: snips(np.ones(len(rows)), rewards[rows]))
    assert (made.value, made.n) == (0.0, 900 - 900 // PARTS)
    given_up = np.repeat([1.0, 0.0], [300, 600])
    never = estimate_later(given_up, lambda rows: snips(given_up[rows], rewards[rows]))
    assert never.refused == "later decisions never did what this policy does"


def test_figures_say_how_many_were_estimated(logs):
    assert "estimated, bias" in describe([by_later(log, 0) for log in logs], RATES[0])
    assert describe([by_later(log, 0) for log in logs[:20]], RATES[0]).endswith("estimated")
