"""Differences of two groups inside strata: no mix of customers misleads them, and intervals cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from bandits.evaluation.stratified import clustered_mean, stratified_difference

WORLDS = 400
CUSTOMERS, STRATA = 150, 6


def visits(seed, *, gap=0.05):
    """Customers of very different habits return up to 30 times; group 1 is rarer in strata that buy much."""
    random = np.random.default_rng(seed)
    count = np.minimum(random.geometric(0.15, CUSTOMERS), 30)
    customers = np.repeat(np.arange(CUSTOMERS), count)
    strata = np.repeat(random.integers(STRATA, size=CUSTOMERS), count)
    habit = np.repeat(random.beta(1.5, 1.5, CUSTOMERS), count)
    first = random.random(len(customers)) < 0.8 - 0.1 * strata
    rate = np.clip(0.1 + 0.08 * strata + 0.4 * habit, 0, 1 - gap)
    values = random.random(len(customers)) < rate + gap * first
    return values.astype(float), first, strata, customers


def test_candidate_shown_to_low_value_customers_is_not_penalised():
    values = np.repeat([0.0, 1.0, 0.0, 1.0], [180, 20, 60, 140])
    first = np.tile([True, False], 200)
    strata = np.repeat(["poor", "rich"], 200)
    keep = ~((strata == "rich") & first & (np.arange(400) % 20 > 1))
    difference = stratified_difference(values[keep], first[keep], strata[keep], np.flatnonzero(keep))
    assert abs(values[keep][first[keep]].mean() - values[keep][~first[keep]].mean()) > 0.2
    assert difference.low < 0 < difference.high
    assert abs(difference.value) < 0.02


def test_groups_without_a_common_stratum_are_not_compared():
    assert stratified_difference([0, 1, 0, 1], [True, True, False, False], ["NL", "NL", "BE", "BE"], range(4)) is None
    assert stratified_difference([], [], [], []) is None


def test_few_customers_are_refused_however_many_rows_there_are():
    values, first = np.tile([0.0, 1.0, 1.0], 400), np.tile([True, False], 600)
    assert stratified_difference(values, first, np.zeros(1200), np.arange(1200) % 7).refused
    assert not stratified_difference(values, first, np.zeros(1200), np.arange(1200) % 70).refused


@pytest.mark.parametrize("gap", [0.0, 0.05])
def test_intervals_hold_with_returning_customers(gap):
    made = [stratified_difference(*visits(7_000 + seed, gap=gap)) for seed in range(WORLDS)]
    covered = np.mean([each.low <= gap <= each.high for each in made])
    # Three standard errors of a share of 0.95 among 400 are 0.033.
    assert 0.917 <= covered <= 0.983
    if not gap:
        assert np.mean([each.p_value < 0.05 for each in made]) <= 0.083


def test_mean_counts_a_returning_customer_once():
    rng = np.random.default_rng(11)
    held = []
    for _ in range(WORLDS):
        habit = rng.beta(2, 2, 80)
        customers = np.repeat(np.arange(80), rng.integers(1, 15, 80))
        values = (rng.random(len(customers)) < habit[customers]).astype(float)
        mean, low, high = clustered_mean(values, customers)
        assert low <= mean <= high
        held.append(low <= 0.5 <= high)
    assert 0.917 <= np.mean(held) <= 0.99


def test_no_success_at_all_does_not_prove_a_rate_of_zero():
    mean, _, high = clustered_mean(np.zeros(40), np.arange(40))
    assert (mean, high > 0.01) == (0.0, True)
    assert clustered_mean([1.0], ["a"])[0] == 1.0
