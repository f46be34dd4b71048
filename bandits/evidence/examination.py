"""Position-based credit: how likely each slot is to be looked at, and what a trial in it is worth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_HALVINGS = 50
_ROUNDS = 100
_CLOSE = 1e-6


def effective_trials(trials: ArrayLike, successes: ArrayLike, weights: ArrayLike) -> Floats:
    """How many certain trials say as much about a rate as trials that could succeed by chance only, (K,).

    `trials` and `successes` (K, S); a trial in column s could succeed with probability `weights[s]`, 0 to 1: its slot
    was looked at, or its outcome has had time to come. The likelihood is product rate^successes (1 - weight * rate)^
    failures; a failure counts by the chance that it was a trial at all, weight (1 - rate) / (1 - weight * rate), at the
    likeliest rate under the flat prior. Never fewer than the successes.
    """
    tried, won, seen = (np.asarray(values, np.float64) for values in (trials, successes, weights))
    failures, total = tried - won, won.sum(axis=1)
    low, high = np.zeros(len(total)), np.ones(len(total))
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        slope = (1 + total) / rate - 1 / (1 - rate) - (failures * seen / (1 - seen * rate[:, None])).sum(axis=1)
        low, high = np.where(slope > 0, rate, low), np.where(slope > 0, high, rate)
    rate = ((low + high) / 2)[:, None]
    real: Floats = total + (failures * seen * (1 - rate) / (1 - seen * rate)).sum(axis=1)
    return real


def estimate_weights(trials: ArrayLike, successes: ArrayLike) -> Floats:
    """How likely each slot is to be looked at, (S,), the first 1, from trials and successes by slot, (K, S).

    The position-based model (Richardson et al., 2007; Chuklin et al., 2015): a candidate's rate times a slot's weight.
    Its greatest Poisson likelihood, concave in the logarithms, by Newton's method; where data are few, each weight is
    held near that of the slot above and each rate near that of all.
    """
    tried, won = np.asarray(trials, np.float64), np.asarray(successes, np.float64)
    arms, slots = tried.shape
    if not slots:
        return np.ones(0)
    hold = _hold(arms, slots)
    usual = np.concatenate((np.full(arms, np.log((won.sum() + 1) / (tried.sum() + 2))), np.zeros(slots - 1)))
    logs = usual.copy()
    for _ in range(_ROUNDS):
        expected = tried * np.exp(np.add.outer(logs[:arms], np.concatenate(([0.0], logs[arms:]))))
        slope = np.concatenate(((won - expected).sum(axis=1), (won - expected).sum(axis=0)[1:])) - hold @ (logs - usual)
        step = np.linalg.solve(hold + _curvature(expected), slope)
        # A rate that starts too low sends the first step far beyond its goal.
        step *= min(1.0, 1.0 / np.abs(step).max(initial=1.0))
        logs += step
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    return np.concatenate(([1.0], np.minimum(np.exp(logs[arms:]), 1.0)))


def _hold(arms: int, slots: int) -> Floats:
    """The precision of the prior: rates of all arms within a factor of e^2, weights within e of the slot above's."""
    steps = np.diff(np.eye(slots), axis=0)[:, 1:]
    hold = np.zeros((arms + slots - 1, arms + slots - 1))
    hold[:arms, :arms] = np.eye(arms) / 4
    hold[arms:, arms:] = steps.T @ steps
    return hold


def _curvature(expected: Floats) -> Floats:
    """Of the log-likelihood in the logarithms of the rates and of all weights but the first."""
    by_slot = expected[:, 1:]
    rates, weights = np.diag(expected.sum(axis=1)), np.diag(by_slot.sum(axis=0))
    return np.block([[rates, by_slot], [by_slot.T, weights]])
