"""Chance to win and expected loss, from normal posteriors of the variants' metrics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.experiments.moments import MetricEstimate
from bandits.experiments.normal import normal_distribution

Floats = NDArray[np.float64]
_POINTS = 2_001
_FARTHEST = 8.0


class WinningChance(NamedTuple):
    """The chance that a variant is the best, and what choosing it is expected to lose against the best."""

    chance_to_win: float
    expected_loss: float


def standings(variants: list[MetricEstimate], *, prior_spread: float = np.inf) -> list[WinningChance]:
    """Return by variant its chance to win and expected loss.

    `prior_spread` is the standard deviation of true metrics around their mean, infinite for a flat prior. Integrals
    are taken on a grid: P(k best) = E[prod of P(others < x)], and E[best] = the integral of the best's distribution.
    """
    means, errors = _posteriors(variants, prior_spread)
    if not (errors > 0).all():
        best = means == means.max()
        return [
            WinningChance(float(won) / best.sum(), float(means.max() - mean))
            for won, mean in zip(best, means, strict=True)
        ]
    grid = _grid(means, errors)
    below = np.array(
        [[normal_distribution((x - mean) / error) for x in grid] for mean, error in zip(means, errors, strict=True)]
    )
    expected_best = float(grid[-1]) - float(np.trapezoid(below.prod(axis=0), grid))
    chances = np.array([_chance(below, index) for index in range(len(means))])
    return [
        WinningChance(float(chance), max(0.0, expected_best - float(mean)))
        for chance, mean in zip(chances / chances.sum(), means, strict=True)
    ]


def _grid(means: Floats, errors: Floats) -> Floats:
    """Return points that lie close around every posterior, however narrow."""
    steps = np.linspace(-_FARTHEST, _FARTHEST, _POINTS)
    return np.unique((means[:, None] + errors[:, None] * steps).ravel())


def _chance(below: Floats, index: int) -> float:
    others = np.delete(below, index, axis=0).prod(axis=0)
    return float(((others[1:] + others[:-1]) / 2) @ np.diff(below[index]))


def _posteriors(variants: list[MetricEstimate], prior_spread: float) -> tuple[Floats, Floats]:
    means, errors = np.array([variant.value for variant in variants]), np.array([variant.error for variant in variants])
    if np.isinf(prior_spread):
        return means, errors
    weights = prior_spread**2 / (prior_spread**2 + errors**2)
    return means.mean() + weights * (means - means.mean()), errors * np.sqrt(weights)
