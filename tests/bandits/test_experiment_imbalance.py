"""Groups that are split otherwise than planned: found, and not found where there are none, at every look."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bandits.experiments.imbalance import FALSE_SHARE, imbalances, log_mean_difference
from bandits.experiments.mismatch import log_evidence
from bandits.experiments.moments import MetricEstimate
from bandits.experiments.sequential import anytime_p_value, log_e_value

GROUPS, LOOKS, UNITS = 12, 40, 250


def looked(seed: int, *, lost: float = 0.0) -> np.ndarray:
    """Return at each look which groups are reported; the last group loses a share of its second variant."""
    chances = np.full((GROUPS, 2), 0.5 / GROUPS)
    chances[-1, 1] *= 1 - lost
    rng = np.random.default_rng([4711, seed])
    counts = rng.multinomial(UNITS, (chances / chances.sum()).ravel(), size=LOOKS).cumsum(axis=0)
    logs = log_evidence(counts.reshape(LOOKS, GROUPS, 2), (1.0, 1.0))
    return np.array([imbalances(each) for each in logs])


def test_balanced_groups_are_rarely_reported() -> None:
    runs = 1_000
    reported = np.mean([looked(seed).any() for seed in range(runs)])
    assert reported <= FALSE_SHARE + 2 * (FALSE_SHARE * (1 - FALSE_SHARE) / runs) ** 0.5


def test_only_the_group_that_loses_units_is_reported() -> None:
    p_values = np.array([looked(seed, lost=0.5)[-1] for seed in range(200)])
    assert p_values[:, -1].mean() > 0.95
    assert p_values[:, :-1].mean() < 0.01


def test_the_most_certain_groups_are_reported_by_e_bh() -> None:
    evidence = np.log([1.0, 45.0, 90.0, 0.2])
    # Of four: 1 needs 80, 2 need 40 each, 3 need 27.
    assert imbalances(evidence).tolist() == [False, True, True, False]
    assert imbalances(np.log([79.0, 1.0, 1.0, 1.0])).tolist() == [False] * 4
    assert imbalances([]).tolist() == []


def test_evidence_is_that_of_the_multinomial_distributions() -> None:
    counts = np.array([520.0, 480.0])
    prior = stats.dirichlet_multinomial(np.array([500.0, 500.0]), 1_000).logpmf(counts.astype(int))
    split = stats.multinomial(1_000, [0.5, 0.5]).logpmf(counts)
    assert float(log_evidence(counts, (1.0, 1.0))) == pytest.approx(prior - split, rel=1e-9)


def test_means_of_a_covariate_are_compared() -> None:
    same = MetricEstimate(1.0, 1.0, 5_000)
    assert log_mean_difference([same, same], planned_units=10_000) < 0
    assert log_mean_difference([same, MetricEstimate(1.2, 1.0, 5_000)], planned_units=10_000) > np.log(1_000)
    assert log_mean_difference([MetricEstimate(0.0, 0.0, 5)] * 2, planned_units=10) == 0.0


@pytest.mark.parametrize("value", [0.0, 0.01, 0.2])
def test_p_value_is_the_inverse_of_the_evidence(value: float) -> None:
    estimate = MetricEstimate(value, 1.0, 4_000)
    assert anytime_p_value(estimate, 0.03) == pytest.approx(min(1.0, np.exp(-log_e_value(estimate, 0.03))))
