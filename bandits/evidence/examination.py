"""Position-based credit: the probability that each slot is examined, and the effective trials that result."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_HALVINGS = 50
_ROUNDS = 100
_CLOSE = 1e-6


def effective_trials(trials: ArrayLike, successes: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the number of certain trials (K,) with as much evidence about a rate as the uncertain trials have.

    `trials` and `successes` (K, S). A trial in column s could succeed with probability `weights[s]`, 0 to 1: that its
    slot was examined, or that its outcome has had time to arrive. The likelihood is the product of rate^successes *
    (1 - weight * rate)^failures. A failure counts by the probability that it was a real trial, weight * (1 - rate) /
    (1 - weight * rate), at the likeliest rate under the flat prior. Never fewer than the successes.
    """
    tried, won, chances = (np.asarray(values, np.float64) for values in (trials, successes, weights))
    failures, total = tried - won, won.sum(axis=1)
    low, high = np.zeros(len(total)), np.ones(len(total))
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        slope = (1 + total) / rate - 1 / (1 - rate) - (failures * chances / (1 - chances * rate[:, None])).sum(axis=1)
        low, high = np.where(slope > 0, rate, low), np.where(slope > 0, high, rate)
    rate = ((low + high) / 2)[:, None]
    real: Floats = total + (failures * chances * (1 - rate) / (1 - chances * rate)).sum(axis=1)
    return real


def estimate_weights(trials: ArrayLike, successes: ArrayLike) -> Floats:
    """Return the probability (S,) that each slot is examined, relative to the first, which is 1.

    `trials` and `successes` (K, S) by slot. The position-based model (Richardson et al., 2007; Chuklin et al., 2015)
    is a candidate's rate times a slot's weight. Newton's method maximises the Poisson likelihood, which is concave in
    the logarithms. A prior keeps each weight near that of the slot above, and each rate near the common one.
    """
    tried, won = np.asarray(trials, np.float64), np.asarray(successes, np.float64)
    arms, slots = tried.shape
    if not slots:
        return np.ones(0)
    prior = _prior_precision(arms, slots)
    start = np.concatenate((np.full(arms, np.log((won.sum() + 1) / (tried.sum() + 2))), np.zeros(slots - 1)))
    logs = start.copy()
    for _ in range(_ROUNDS):
        expected = tried * np.exp(np.add.outer(logs[:arms], np.concatenate(([0.0], logs[arms:]))))
        slope = np.concatenate(((won - expected).sum(axis=1), (won - expected).sum(axis=0)[1:])) - prior @ (
            logs - start
        )
        step = np.linalg.solve(prior + _curvature(expected), slope)
        # If a rate starts too low, the first full step would overshoot.
        step *= min(1.0, 1.0 / np.abs(step).max(initial=1.0))
        logs += step
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    return np.concatenate(([1.0], np.minimum(np.exp(logs[arms:]), 1.0)))


def _prior_precision(arms: int, slots: int) -> Floats:
    """Return the prior's precision: rates within a factor of e^2 of the common one, weights within e of the last."""
    steps = np.diff(np.eye(slots), axis=0)[:, 1:]
    precision = np.zeros((arms + slots - 1, arms + slots - 1))
    precision[:arms, :arms] = np.eye(arms) / 4
    precision[arms:, arms:] = steps.T @ steps
    return precision


def _curvature(expected: Floats) -> Floats:
    """Return the curvature of the log-likelihood in the logarithms of the rates and of all weights but the first."""
    by_slot = expected[:, 1:]
    rates, weights = np.diag(expected.sum(axis=1)), np.diag(by_slot.sum(axis=0))
    return np.block([[rates, by_slot], [by_slot.T, weights]])
