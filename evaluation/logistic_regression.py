"""Fit logistic regression by Newton's method, for models of logged rewards. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_STEPS = 50
_ENOUGH = 1e-6


def fit_logistic(x: Floats, y: Floats, *, penalty: float) -> Floats:
    """Return coefficients (d + 1,), the intercept last, for x (n, d) and y (n,) of 0 and 1.

    Maximises the likelihood less `penalty` / 2 x the sum of squares; the intercept is not penalised. If all of y is
    equal, the coefficients are 0 and the intercept is that of the rate (successes + 1) / (n + 2).
    """
    wide = np.column_stack([x, np.ones(len(x))])
    rate = (y.sum() + 1) / (len(y) + 2)
    coefficients = np.zeros(wide.shape[1])
    coefficients[-1] = np.log(rate / (1 - rate))
    if not 0 < y.mean() < 1:
        return coefficients
    ridge = np.append(np.full(x.shape[1], penalty), 0.0)
    for _ in range(_MOST_STEPS):
        chance = logistic(wide @ coefficients)
        slope = wide.T @ (chance - y) + ridge * coefficients
        if np.abs(slope).max() < _ENOUGH:
            break
        curve = (wide * (chance * (1 - chance))[:, None]).T @ wide + np.diag(ridge)
        coefficients = _step(wide, y, ridge, coefficients, np.linalg.solve(curve, slope), slope)
    return coefficients


def logistic(z: Floats) -> Floats:
    chances: Floats = 1 / (1 + np.exp(-z))
    return chances


def _step(wide: Floats, y: Floats, ridge: Floats, point: Floats, step: Floats, slope: Floats) -> Floats:
    """Take a Newton step, halved until it lowers the loss."""
    loss, share = _loss(wide, y, ridge, point), 1.0
    while share > _ENOUGH and _loss(wide, y, ridge, point - share * step) > loss - 1e-4 * share * float(slope @ step):
        share /= 2
    return point - share * step


def _loss(wide: Floats, y: Floats, ridge: Floats, point: Floats) -> float:
    z = wide @ point
    return float(np.logaddexp(0, z).sum() - y @ z + (ridge * point) @ point / 2)
