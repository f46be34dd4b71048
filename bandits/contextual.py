"""What outcomes say about the weights of features: Bayesian logistic regression, learned batch by batch.

The rate of a candidate for a request with features x is `sigmoid(w @ x)`. What all its outcomes say about w is kept as
one Gaussian factor (Laplace's approximation) that adds, fades and can be written down; the prior is not part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_CORRELATED = 200
"""Above so many features only the diagonal of a precision is kept: d numbers for a candidate instead of d * d."""

SPREAD = 1.0
"""How far the weights of one candidate lie from those of all, as a standard deviation of the prior."""

SHARED_BIAS, SHARED_SPREAD = 2.0, 1.0
"""How far the weights shared by all lie from 0: that of the constant 1, and that of every other feature."""

_MOST_STEPS, _MOST_HALVINGS, _CLOSE = 50, 30, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Outcomes of one candidate: `features` (N, d), the first of them 1; `trials` and `successes` (N,).

    Trials and successes may be differences to what was told before: (0, -1) takes a success back, (-1, 0) a trial.
    The log-likelihood `s * eta - n * log(1 + exp(eta))` is linear in both, so differences add.
    """

    features: Floats
    trials: Floats
    successes: Floats

    def where(self, chosen: NDArray[np.bool_]) -> "Lessons":
        return Lessons(self.features[chosen], self.trials[chosen], self.successes[chosen])


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
class Belief:
    """A Gaussian over one candidate's weights: `mean` (d,), `precision` and `covariance` (d, d) or (d,)."""

    mean: Floats
    precision: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """All that was learned about the weights of `size` features, by candidate."""

    size: int
    factors: Mapping[str, Factor] = field(default_factory=dict)

    def after(self, lessons: Mapping[str, Lessons]) -> "Learned":
        """With a batch of lessons by candidate. Larger batches are nearer to the exact posterior."""
        factors, before = dict(self.factors), beliefs_of(self, list(lessons))
        for candidate, told in lessons.items():
            if told.features.shape[1:] != (self.size,):
                raise ValueError(f"{candidate}: lessons need {self.size} features, not {told.features.shape[1:]}")
            known = factors.get(candidate, Factor.nothing(self.size))
            factors[candidate] = _whole(known + _factor(before[candidate], told), told)
        return Learned(self.size, factors)

    def faded(self, share: float) -> "Learned":
        return Learned(self.size, {name: factor.faded(share) for name, factor in self.factors.items()})


def beliefs_of(learned: Learned, candidates: Sequence[str]) -> dict[str, Belief]:
    """The posteriors of these candidates, each shrunk towards the weights that all share; also of one never tried."""
    shared = shared_weights(learned)
    nothing = Factor.nothing(learned.size)
    return {one: _belief(learned.factors.get(one, nothing), shared) for one in candidates}


def shared_weights(learned: Learned) -> Floats:
    """The posterior mean (d,) of the weights that all candidates share.

    A candidate's weights are the shared ones plus its own deviation, N(0, SPREAD**2). Integrating the deviation out,
    a factor says `information @ C / v` about the shared weights with precision `1/v - C / v**2`, where
    v = SPREAD**2 and C is the covariance of the candidate's weights were the shared ones 0.
    """
    v = SPREAD**2
    spread = np.full(learned.size, SHARED_SPREAD**2)
    spread[:1] = SHARED_BIAS**2
    flat = learned.size > MOST_CORRELATED
    precision = 1.0 / spread if flat else np.diag(1.0 / spread)
    information = np.zeros(learned.size)
    for factor in learned.factors.values():
        own = _belief(factor, np.zeros(learned.size))
        information += own.mean / v
        precision += _scaled_identity(own.covariance, 1.0 / v) - own.covariance / v**2
    return _times(_inverse(precision), information)


def _belief(factor: Factor, shared: Floats) -> Belief:
    precision = factor.precision + _scaled_identity(factor.precision, SPREAD**-2)
    covariance = _inverse(precision)
    return Belief(_times(covariance, factor.information + shared / SPREAD**2), precision, covariance)


def _factor(belief: Belief, told: Lessons) -> Factor:
    """What the lessons say: those given where the posterior with them is highest (Laplace), those taken back where it
    was highest before, for it is about there that they were given."""
    back = told.trials < 0
    given = told.where(~back)
    factor = _touching(_most_likely(belief, given), given, belief.precision)
    return factor + _touching(belief.mean, told.where(back), belief.precision) if back.any() else factor


def _touching(weights: Floats, told: Lessons, like: Floats) -> Factor:
    """The Gaussian that has the likelihood's slope and curvature at these weights."""
    x = told.features
    rates = rate(x @ weights)
    precision = _outer(x, told.trials * rates * (1 - rates), like)
    information = _times(precision, weights) + x.T @ (told.successes - told.trials * rates)
    return Factor(information, precision, float(told.trials.sum()), told.trials @ x)


def _most_likely(belief: Belief, told: Lessons) -> Floats:
    """The weights with the highest posterior, by Newton's method with steps halved until they improve."""
    x, weights = told.features, belief.mean
    loss = _loss(belief, told, weights)
    for _ in range(_MOST_STEPS):
        rates = rate(x @ weights)
        slope = _times(belief.precision, weights - belief.mean) - x.T @ (told.successes - told.trials * rates)
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


def _loss(belief: Belief, told: Lessons, weights: Floats) -> float:
    eta, away = told.features @ weights, weights - belief.mean
    likelihood = told.successes @ eta - told.trials @ np.logaddexp(0.0, eta)
    return float(away @ _times(belief.precision, away) / 2 - likelihood)


def _whole(factor: Factor, told: Lessons) -> Factor:
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


# A square matrix, or its diagonal alone.


def _times(matrix: Floats, vector: Floats) -> Floats:
    return matrix * vector if matrix.ndim == 1 else matrix @ vector


def _inverse(matrix: Floats) -> Floats:
    inverse: Floats = np.reciprocal(matrix) if matrix.ndim == 1 else np.linalg.inv(matrix).astype(np.float64)
    return inverse


def _scaled_identity(like: Floats, scale: float) -> Floats:
    return np.full(len(like), scale) if like.ndim == 1 else np.diag(np.full(len(like), scale))


def _outer(x: Floats, weights: Floats, like: Floats) -> Floats:
    """The sum of `weights * outer(x, x)` over the rows of x."""
    if like.ndim == 1:
        return weights @ x**2
    product: Floats = (x.T * weights) @ x
    return product
