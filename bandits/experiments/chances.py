"""Chance to win and expected loss, from normal posteriors of the variants' metrics."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.experiments.moments import MetricEstimate

Floats = NDArray[np.float64]
_EDGES = np.array([-9.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_erfc = np.frompyfunc(math.erfc, 1, 1)


class WinningChance(NamedTuple):
    """The chance that a variant is the best, and what choosing it is expected to lose against the best."""

    chance_to_win: float
    expected_loss: float


def standings(variants: list[MetricEstimate], *, prior_spread: float = np.inf) -> list[WinningChance]:
    """Return by variant its chance to win and expected loss.

    `prior_spread` is the standard deviation of true metrics around their mean, infinite for a flat prior. Integrals
    over k's posterior: P(k best) = E[prod of P(others < x)], and E[best] = the sum of E[x prod of P(others < x)].
    """
    means, errors = _posteriors(variants, prior_spread)
    if not (errors > 0).all():
        best = means == means.max()
        return [
            WinningChance(float(won) / best.sum(), float(means.max() - mean))
            for won, mean in zip(best, means, strict=True)
        ]
    points, weights = _quadrature(means, errors)
    scores = (points - means[:, None]) / errors[:, None]
    below = _normal_distributions(scores)
    density = np.exp(-(scores**2) / 2) / (math.sqrt(2 * math.pi) * errors[:, None])
    best = np.array([np.delete(below, index, axis=0).prod(axis=0) for index in range(len(means))]) * density * weights
    chances, expected_best = best.sum(axis=1), float((best @ points).sum())
    return [
        WinningChance(float(chance), max(0.0, expected_best - float(mean)))
        for chance, mean in zip(chances / chances.sum(), means, strict=True)
    ]


def _quadrature(means: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Return points and weights of Gauss and Legendre's rule on pieces that are short around every posterior."""
    edges = np.unique((means[:, None] + errors[:, None] * _EDGES).ravel())
    middles, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    return (middles[:, None] + halves[:, None] * _NODES).ravel(), (halves[:, None] * _WEIGHTS).ravel()


def _normal_distributions(scores: Floats) -> Floats:
    return np.asarray(_erfc(-scores / math.sqrt(2)), np.float64) / 2


def _posteriors(variants: list[MetricEstimate], prior_spread: float) -> tuple[Floats, Floats]:
    means, errors = np.array([variant.value for variant in variants]), np.array([variant.error for variant in variants])
    if np.isinf(prior_spread):
        return means, errors
    weights = prior_spread**2 / (prior_spread**2 + errors**2)
    return means.mean() + weights * (means - means.mean()), errors * np.sqrt(weights)
