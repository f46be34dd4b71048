"""What outcomes say about the weights of features: Bayesian logistic regression, learned batch by batch.

The rate of a candidate for a request with features x is `sigmoid(w @ x)`. What all its outcomes say about w is kept as
one Gaussian factor (Laplace's approximation) that adds, fades and can be written down; the prior is not part of it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bandits.posterior.gaussian import Belief, Floats, outer, times

MOST_CORRELATED = 200
"""Above so many features only the diagonal of a precision is kept: d numbers for a candidate instead of d * d."""

_MOST_STEPS, _MOST_HALVINGS, _CLOSE = 50, 30, 1e-10
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Outcomes of one candidate: `features` (N, d), the first of them 1; `trials` and `successes` (N,).

    Trials and successes may be differences to what was told before: (0, -1) takes a success back, (-1, 0) a trial.
    The log-likelihood `s * eta - n * log(1 + exp(eta))` is linear in both, so differences add.
    """

    features: Floats
    trials: Floats
    successes: Floats

    @classmethod
    def none(cls, size: int) -> Self:
        return cls(np.zeros((0, size)), np.zeros(0), np.zeros(0))

    def where(self, chosen: NDArray[np.bool_]) -> "Observations":
        return Observations(self.features[chosen], self.trials[chosen], self.successes[chosen])

    def __add__(self, other: "Observations") -> "Observations":
        return Observations(
            np.concatenate((self.features, other.features)),
            np.concatenate((self.trials, other.trials)),
            np.concatenate((self.successes, other.successes)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """What outcomes say about weights w, up to a constant: `exp(information @ w - w @ precision @ w / 2)`.

    `information` (d,); `precision` (d, d), or (d,) its diagonal. `trials` and `totals` (d,), the sum of the features
    over them, say how much was seen, and of whom.
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
        """The same finding with `share`, 0 to 1, of its weight."""
        return Factor(self.information * share, self.precision * share, self.trials * share, self.totals * share)


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """Trials of one candidate whose outcomes may still come: `features` (N, d), `trials` (N,), and the `shares` (N,),
    0 to 1, of the successes that would have come by now (`DelayCurve.share`)."""

    features: Floats
    trials: Floats
    shares: Floats

    @classmethod
    def none(cls, size: int) -> Self:
        return cls(np.zeros((0, size)), np.zeros(0), np.zeros(0))

    def at(self, weights: Floats) -> Observations:
        """What no outcome yet tells, were these the weights.

        Its likelihood is (1 - share * rate)**trials. A failure that counts by share * (1 - rate) / (1 - share * rate)
        has the same slope.
        """
        rates = rate(self.features @ weights)
        failed = self.trials * self.shares * (1 - rates) / (1 - self.shares * rates)
        return Observations(self.features, failed, np.zeros(len(failed)))


def factors_of(belief: Belief, told: Observations, waiting: Waiting) -> tuple[Factor, Factor]:
    """What lessons say, and what waiting says as long as it does.

    Lessons that are given say it where the posterior with them, and with what waits, is highest (Laplace); those taken
    back where it was highest before, for it is about there that they were given.
    """
    back = told.trials < 0
    given, weights = told.where(~back), belief.mean
    for _ in range(_ROUNDS if len(waiting.trials) else 1):
        still = waiting.at(weights)
        weights = _most_likely(belief, given + still)
    factor, open_yet = (_touching(weights, some, belief.precision) for some in (given, waiting.at(weights)))
    if back.any():
        factor += _touching(belief.mean, told.where(back), belief.precision)
    return factor, open_yet


def _touching(weights: Floats, told: Observations, like: Floats) -> Factor:
    """The Gaussian that has the likelihood's slope and curvature at these weights."""
    x = told.features
    rates = rate(x @ weights)
    precision = outer(x, told.trials * rates * (1 - rates), like)
    information = times(precision, weights) + x.T @ (told.successes - told.trials * rates)
    return Factor(information, precision, float(told.trials.sum()), told.trials @ x)


def _most_likely(belief: Belief, told: Observations) -> Floats:
    """The weights with the highest posterior, by Newton's method with steps halved until they improve."""
    x, weights = told.features, belief.mean
    loss = _loss(belief, told, weights)
    for _ in range(_MOST_STEPS):
        rates = rate(x @ weights)
        slope = times(belief.precision, weights - belief.mean) - x.T @ (told.successes - told.trials * rates)
        # The step minds all correlations within the batch, also where the belief can hold none.
        bend = (x.T * (told.trials * rates * (1 - rates))) @ x
        bend += np.diag(belief.precision) if belief.precision.ndim == 1 else belief.precision
        step = np.linalg.solve(bend, slope)
        for _ in range(_MOST_HALVINGS):
            following = _loss(belief, told, weights - step)
            if following <= loss:
                break
            step = step / 2
        else:
            return weights
        weights, loss = weights - step, following
        if slope @ step < _CLOSE:
            return weights
    return weights


def _loss(belief: Belief, told: Observations, weights: Floats) -> float:
    eta, away = told.features @ weights, weights - belief.mean
    likelihood = told.successes @ eta - told.trials @ np.logaddexp(0.0, eta)
    return float(away @ times(belief.precision, away) / 2 - likelihood)


def whole(factor: Factor, told: Observations) -> Factor:
    """Trials that were taken back may leave less than nothing in some direction: nothing, then."""
    if (told.trials >= 0).all():
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
