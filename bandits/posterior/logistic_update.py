"""Bayesian logistic regression of outcomes on features, updated batch by batch.

The rate of a candidate for a request with features x is `sigmoid(w @ x)`. The evidence of all its outcomes about w is
one Gaussian factor (Laplace's approximation) without the prior. Factors add, fade and can be stored.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bandits.posterior.gaussian import Belief, Floats, outer, times

MOST_CORRELATED = 200
"""With more features only the diagonal of a precision is kept: d numbers for a candidate instead of d * d."""

_MOST_STEPS, _MOST_HALVINGS, _CLOSE = 50, 30, 1e-10
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Outcomes of one candidate: `features` (N, d), the first of them 1; `trials` and `successes` (N,).

    Trials and successes may correct earlier observations: (0, -1) takes a success back, (-1, 0) a trial.
    The log-likelihood `s * eta - n * log(1 + exp(eta))` is linear in both, so differences add.
    """

    features: Floats
    trials: Floats
    successes: Floats

    @classmethod
    def none(cls, size: int) -> Self:
        return cls(np.zeros((0, size)), np.zeros(0), np.zeros(0))

    def where(self, mask: NDArray[np.bool_]) -> "Observations":
        return Observations(self.features[mask], self.trials[mask], self.successes[mask])

    def __add__(self, other: "Observations") -> "Observations":
        return Observations(
            np.concatenate((self.features, other.features)),
            np.concatenate((self.trials, other.trials)),
            np.concatenate((self.successes, other.successes)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A likelihood of weights w, up to a constant: `exp(information @ w - w @ precision @ w / 2)`.

    `information` (d,); `precision` (d, d), or its diagonal (d,). It rests on `trials`, whose features sum to `totals`
    (d,).
    """

    information: Floats
    precision: Floats
    trials: float
    totals: Floats

    @classmethod
    def nothing(cls, size: int) -> Self:
        precision = np.zeros((size, size) if size <= MOST_CORRELATED else size)
        return cls(np.zeros(size), precision, 0.0, np.zeros(size))

    def __add__(self, other: "Factor") -> "Factor":
        return Factor(
            self.information + other.information,
            self.precision + other.precision,
            self.trials + other.trials,
            self.totals + other.totals,
        )

    def faded(self, share: float) -> "Factor":
        """Return the factor with `share`, 0 to 1, of its weight."""
        return Factor(self.information * share, self.precision * share, self.trials * share, self.totals * share)


@dataclass(frozen=True, slots=True, eq=False)
class PendingTrials:
    """Trials of one candidate whose outcomes may still come.

    `features` (N, d), `trials` (N,), and `shares` (N,), 0 to 1, of their successes that would have arrived by now
    (`DelayCurve.share`).
    """

    features: Floats
    trials: Floats
    shares: Floats

    @classmethod
    def none(cls, size: int) -> Self:
        return cls(np.zeros((0, size)), np.zeros(0), np.zeros(0))

    def expected_failures(self, weights: Floats) -> Observations:
        """Return the failures that these trials count as under given weights.

        The likelihood of no outcome is (1 - share * rate)**trials. A failure that counts by
        share * (1 - rate) / (1 - share * rate) has the same slope.
        """
        rates = rate(self.features @ weights)
        failed = self.trials * self.shares * (1 - rates) / (1 - self.shares * rates)
        return Observations(self.features, failed, np.zeros(len(failed)))


def factors_of(belief: Belief, observations: Observations, pending: PendingTrials) -> tuple[Factor, Factor]:
    """Return the factor of observations, and that of pending trials.

    New observations are linearised at the mode of the posterior with them and the pending trials (Laplace). Trials
    that are taken back are linearised at the mean before, which is near the point where they were added.
    """
    taken_back = observations.trials < 0
    new, weights = observations.where(~taken_back), belief.mean
    for _ in range(_ROUNDS if len(pending.trials) else 1):
        weights = _mode(belief, new + pending.expected_failures(weights))
    factor = _tangent(weights, new, belief.precision)
    pending_factor = _tangent(weights, pending.expected_failures(weights), belief.precision)
    if taken_back.any():
        factor += _tangent(belief.mean, observations.where(taken_back), belief.precision)
    return factor, pending_factor


def _tangent(weights: Floats, observations: Observations, like: Floats) -> Factor:
    """Return the Gaussian with the likelihood's slope and curvature at these weights, its precision shaped `like`."""
    x, trials = observations.features, observations.trials
    rates = rate(x @ weights)
    precision = outer(x, trials * rates * (1 - rates), like)
    information = times(precision, weights) + x.T @ (observations.successes - trials * rates)
    return Factor(information, precision, float(trials.sum()), trials @ x)


def _mode(belief: Belief, observations: Observations) -> Floats:
    """Return the weights with the highest posterior, by Newton's method with steps halved until they improve."""
    x, weights = observations.features, belief.mean
    trials, successes = observations.trials, observations.successes
    loss = _loss(belief, observations, weights)
    for _ in range(_MOST_STEPS):
        rates = rate(x @ weights)
        slope = times(belief.precision, weights - belief.mean) - x.T @ (successes - trials * rates)
        # The step uses all correlations within the batch, even if the belief keeps only a diagonal.
        curvature = (x.T * (trials * rates * (1 - rates))) @ x
        curvature += np.diag(belief.precision) if belief.precision.ndim == 1 else belief.precision
        step = np.linalg.solve(curvature, slope)
        for _ in range(_MOST_HALVINGS):
            next_loss = _loss(belief, observations, weights - step)
            if next_loss <= loss:
                break
            step = step / 2
        else:
            return weights
        weights, loss = weights - step, next_loss
        if slope @ step < _CLOSE:
            return weights
    return weights


def _loss(belief: Belief, observations: Observations, weights: Floats) -> float:
    eta, deviation = observations.features @ weights, weights - belief.mean
    likelihood = observations.successes @ eta - observations.trials @ np.logaddexp(0.0, eta)
    return float(deviation @ times(belief.precision, deviation) / 2 - likelihood)


def clamped(factor: Factor, observations: Observations) -> Factor:
    """Return the factor without negative precision, which trials that were taken back may leave."""
    if (observations.trials >= 0).all():
        return factor
    if factor.precision.ndim == 1:
        precision = np.maximum(factor.precision, 0.0)
    else:
        values, vectors = np.linalg.eigh(factor.precision)
        precision = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return Factor(factor.information, precision, factor.trials, factor.totals)


def rate(eta: Floats) -> Floats:
    """The logistic function."""
    rates: Floats = 0.5 + 0.5 * np.tanh(eta / 2)
    return rates
