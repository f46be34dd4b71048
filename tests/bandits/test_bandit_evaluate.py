"""Estimators of a policy's value from a log: what they answer, what they refuse, and that their intervals hold."""

import numpy as np
import pytest

from bandits.evaluation.estimators import (
    direct,
    doubly_robust,
    dros,
    effect,
    ips,
    reward_interaction_ips,
    snips,
)
from bandits.evaluation.intervals import unskewed_interval

RATES = np.array([0.1, 0.3, 0.5])
OLD = np.array([0.5, 0.3, 0.2])
NEW = np.array([0.2, 0.2, 0.6])


def logged(n, seed=0, *, old=OLD, new=NEW, rates=RATES):
    """Weights, rewards and actions of a log of n decisions."""
    random = np.random.default_rng(seed)
    actions = random.choice(len(old), n, p=old)
    return (new / old)[actions], (random.random(n) < rates[actions]).astype(float), actions


def models(actions, *, off=0.0):
    """Return a model's expected rewards of the logged action and of the new policy."""
    return {
        "expected_logged": RATES[actions] + off,
        "expected_new": np.full(len(actions), NEW @ RATES + off),
    }


def all_estimates(n, seed=0):
    weights, rewards, actions = logged(n, seed)
    expected = models(actions, off=0.05)
    return {
        "ips": ips(weights, rewards),
        "snips": snips(weights, rewards),
        "dr": doubly_robust(weights, rewards, **expected),
        "dros": dros(weights, rewards, **expected),
    }


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "dros"])
def test_every_estimator_estimates_the_value_of_the_policy(name):
    estimate = all_estimates(100_000)[name]
    assert estimate.value == pytest.approx(NEW @ RATES, abs=0.01)
    assert not estimate.refused


@pytest.mark.parametrize("name", ["ips", "snips", "dr"])
def test_unbiased_estimators_have_narrow_intervals_around_the_truth(name):
    estimate = all_estimates(100_000)[name]
    assert estimate.low < NEW @ RATES < estimate.high
    assert estimate.high - estimate.low < 0.02


def test_model_based_estimators_have_no_interval():
    weights, rewards, actions = logged(10_000)
    expected = models(actions)
    for estimate in (direct(weights, expected["expected_new"]), dros(weights, rewards, **expected)):
        assert np.isnan([estimate.low, estimate.high]).all()


def test_logged_policy_has_the_sample_mean_and_interval():
    _, rewards, _ = logged(50_000)
    for estimate in (ips(np.ones(50_000), rewards), snips(np.ones(50_000), rewards)):
        margin = 1.96 * rewards.std() / np.sqrt(50_000)
        assert estimate.value == pytest.approx(rewards.mean())
        assert estimate.high - estimate.low == pytest.approx(2 * margin, rel=0.01)
        assert (estimate.effective_sample, estimate.largest_weight, estimate.mean_weight) == (50_000, 1, 1)


def test_doubly_robust_corrects_the_errors_of_its_model():
    weights, rewards, actions = logged(100_000)
    expected = models(actions, off=0.05)
    true_value = NEW @ RATES
    assert direct(weights, expected["expected_new"]).value == pytest.approx(true_value + 0.05)
    assert doubly_robust(weights, rewards, **expected).value == pytest.approx(true_value, abs=0.01)


def test_shrinkage_is_between_the_direct_method_and_doubly_robust():
    weights, rewards, actions = logged(1_000)
    expected = models(actions, off=0.05)
    ends = direct(weights, expected["expected_new"]), doubly_robust(weights, rewards, **expected)
    shrunk = [dros(weights, rewards, **expected, shrinkage=item).value for item in (0, 1, np.inf)]
    assert shrunk[0] == pytest.approx(ends[0].value)
    assert shrunk[2] == pytest.approx(ends[1].value)
    assert min(shrunk[0], shrunk[2]) < shrunk[1] < max(shrunk[0], shrunk[2])


def test_a_policy_that_the_log_never_followed_is_refused():
    weights, rewards, _ = logged(10_000, new=np.array([0.5, 0.5]), old=np.array([0.9, 0.1]))
    assert not snips(weights, rewards).refused
    blind = snips(np.where(weights > 1, 0, weights), rewards)
    assert "the log holds too little of what this policy does" in blind.refused
    without_overlap = snips(np.zeros(10_000), rewards)
    assert without_overlap.refused
    assert np.isnan(without_overlap.value)


def test_weights_that_are_too_large_on_average_are_refused():
    weights, rewards, _ = logged(10_000)
    assert "the propensities cannot be right" in ips(2 * weights, rewards).refused


@pytest.mark.parametrize(("n", "refused"), [(90, True), (300, False)])
def test_an_effective_sample_below_a_hundred_is_refused(n, refused):
    weights, rewards, _ = logged(n, seed=2)
    estimate = snips(weights, rewards)
    assert (estimate.effective_sample < 100) == refused
    assert bool(estimate.refused) == refused
    assert not refused or "at least 100 are needed" in estimate.refused


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_log_is_refused(n):
    ones = np.ones(n)
    slots = np.ones((n, 3))
    both = {"expected_logged": ones, "expected_new": ones}
    for estimate in (
        ips(ones, ones), snips(ones, ones), direct(ones, ones), doubly_robust(ones, ones, **both),
        dros(ones, ones, **both), reward_interaction_ips(slots, slots),
    ):  # fmt: skip
        assert "too few decisions" in estimate.refused


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_equal_rewards_are_an_answer(reward):
    weights, _, actions = logged(1_000)
    same = np.full(1_000, reward)
    for estimate in (snips(weights, same), effect(weights, same)):
        assert np.isfinite([estimate.value, estimate.low, estimate.high]).all()
    assert np.isfinite(dros(weights, same, **models(actions)).value)
    assert snips(weights, same).value == pytest.approx(reward)
    assert effect(weights, same).value == pytest.approx(0)


@pytest.mark.parametrize(
    ("weights", "rewards", "message"),
    [
        ([1, 2], [1], "must have one shape"),
        ([1, -1], [1, 0], "weights must not be negative"),
        ([1, np.nan], [1, 0], "must be numbers"),
        ([[1, 1]], [[1, 0]], "one row for each decision"),
    ],
)
def test_invalid_input_is_named(weights, rewards, message):
    with pytest.raises(ValueError, match=message):
        snips(weights, rewards)


# The effect of a new policy


def test_the_effect_is_narrower_than_a_difference_of_values():
    weights, rewards, _ = logged(100_000)
    estimate = effect(weights, rewards)
    assert estimate.low < (NEW - OLD) @ RATES < estimate.high
    assert estimate.value == pytest.approx(snips(weights, rewards).value - rewards.mean())
    apart = snips(weights, rewards).high - snips(weights, rewards).low + 4 * rewards.std() / np.sqrt(100_000)
    assert estimate.high - estimate.low < apart


def test_untouched_decisions_do_not_change_the_effect():
    weights, rewards, _ = logged(2_000)
    untouched = np.random.default_rng(1).random(98_000) < 0.9
    diluted = effect(np.concatenate([weights, np.ones(98_000)]), np.concatenate([rewards, untouched]))
    alone = effect(weights, rewards)
    assert diluted.value == pytest.approx(alone.value / 50)
    assert diluted.high - diluted.low == pytest.approx((alone.high - alone.low) / 50, rel=0.1)
    assert diluted.effective_sample == alone.effective_sample
    assert diluted.n == 100_000


def test_unchanged_policy_has_no_effect():
    estimate = effect(np.ones(500), np.arange(500) % 2)
    assert (estimate.value, estimate.low, estimate.high, estimate.refused) == (0, 0, 0, "")


@pytest.mark.parametrize(("n", "rate"), [(2_000, 0.1), (8_000, 0.05)])
def test_the_effects_interval_covers_rare_rewards_and_large_weights(n, rate):
    old, new, rates = np.array([0.85, 0.15]), np.array([0.2, 0.8]), np.array([rate, 0.6 * rate])
    true_value = (new - old) @ rates
    estimates = [effect(*logged(n, seed, old=old, new=new, rates=rates)[:2]) for seed in range(500)]
    covered = np.mean([estimate.low <= true_value <= estimate.high for estimate in estimates])
    assert 0.925 <= covered <= 0.975


# Rankings


def rankings(n, seed=0):
    """A log of two slots filled from three items; the second slot's clicks depend on the first slot's item."""
    random = np.random.default_rng(seed)
    first = random.choice(3, n, p=OLD)
    steps, items = [(NEW / OLD)[first]], [first]
    left_old = np.where(np.arange(3) == first[:, None], 0, OLD)
    left_new = np.where(np.arange(3) == first[:, None], 0, NEW)
    left_old /= left_old.sum(axis=1, keepdims=True)
    left_new /= left_new.sum(axis=1, keepdims=True)
    second = (left_old.cumsum(axis=1) < random.random(n)[:, None]).sum(axis=1)
    rows = np.arange(n)
    steps.append(left_new[rows, second] / left_old[rows, second])
    items.append(second)
    chance = np.stack([RATES[first], RATES[second] * np.where(first == 2, 0.2, 1)], axis=1)
    return np.stack(steps, axis=1), (random.random((n, 2)) < chance).astype(float), items


def marginal(chances):
    """The chance of each item in each of two slots, (2, 3)."""
    second = [sum(chances[i] * chances[j] / (1 - chances[i]) for i in range(3) if i != j) for j in range(3)]
    return np.array([chances, second])


def true_value_of_rankings():
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    chance = {(i, j): NEW[i] * NEW[j] / (1 - NEW[i]) for i, j in pairs}
    return sum(chance[i, j] * (RATES[i] + RATES[j] * (0.2 if i == 2 else 1)) for i, j in pairs)


def test_reward_interaction_ips_allows_slots_to_depend_on_those_above():
    steps, rewards, items = rankings(200_000)
    ratio = marginal(NEW) / marginal(OLD)
    by_position = np.stack([ratio[0][items[0]], ratio[1][items[1]]], axis=1)
    low, high = unskewed_interval((by_position * rewards).sum(axis=1))
    interacting = reward_interaction_ips(steps, rewards)
    true_value = true_value_of_rankings()
    assert interacting.low < true_value < interacting.high
    assert not low < true_value < high
    assert not interacting.refused


def test_a_ranking_is_refused_for_its_worst_slot():
    weights, rewards = np.ones((5_000, 2)), np.ones((5_000, 2))
    weights[:, 1] = 0
    assert reward_interaction_ips(weights[:, :1], rewards[:, :1]).refused == ""
    assert "the mean weight is 0" in reward_interaction_ips(weights, rewards).refused
