"""What is known of the weights of candidates: each has its own, shrunk to what its attributes and all others teach.

    w_k = u + sum over the attributes a of k of z_ka * t_a + v_k        v_k ~ N(0, SPREAD**2)

The weights u that all share and those t that attributes bring are estimated by their posterior mean, the deviations v
integrated out; so a candidate that was never tried starts where its attributes let expect it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bandits.posterior.gaussian import Belief, Floats, inverse, scaled_identity, times
from bandits.posterior.logistic_update import MOST_CORRELATED, Factor, Observations, Waiting, factors_of, whole

SPREAD = 1.0
"""How far the weights of one candidate lie from what is expected of it, as a standard deviation of the prior."""

SHARED_BIAS, SHARED_SPREAD = 2.0, 1.0
"""How far the weights shared by all lie from 0: that of the constant 1, and that of every other feature. What an
attribute brings lies as far from 0 as the latter."""

MOST_TOGETHER = 400
"""With more shared weights than that, those of each feature are estimated apart from those of the others."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What candidates are like: by id a row of `size` numbers z; a candidate that is not listed has zeros."""

    size: int = 0
    rows: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def of(self, candidates: Sequence[str]) -> Floats:
        """(K, 1 + size), each row beginning with the 1 that all share."""
        nothing = (0.0,) * self.size
        return np.array([(1.0, *self.rows.get(one, nothing)) for one in candidates]).reshape(-1, 1 + self.size)


ALIKE = Attributes()
"""Nothing is known that would tell candidates apart."""


NOTHING: Mapping[str, Waiting] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """All that was learned about the weights of `size` features, by candidate: from outcomes, and, for as long as it is
    so, from those that have not come yet."""

    size: int
    factors: Mapping[str, Factor] = field(default_factory=dict)
    waiting: Mapping[str, Factor] = field(default_factory=dict)

    def after(
        self,
        observations: Mapping[str, Observations],
        attributes: Attributes = ALIKE,
        waiting: Mapping[str, Waiting] = NOTHING,
    ) -> "Learned":
        """With a batch of lessons by candidate, and with what waits now. Larger batches are nearer to the exact
        posterior."""
        settled = Learned(self.size, self.factors)
        candidates = sorted({*observations, *waiting})
        factors, open_yet, before = dict(self.factors), {}, beliefs_of(settled, candidates, attributes)
        for candidate in candidates:
            told = observations.get(candidate, Observations.none(self.size))
            if told.features.shape[1:] != (self.size,):
                raise ValueError(f"{candidate}: lessons need {self.size} features, not {told.features.shape[1:]}")
            still = waiting.get(candidate, Waiting.none(self.size))
            new, open_yet[candidate] = factors_of(before[candidate], told, still)
            factors[candidate] = whole(settled.about(candidate) + new, told)
        return Learned(self.size, factors, {name: open_yet[name] for name in sorted(waiting)})

    def about(self, candidate: str) -> Factor:
        nothing = Factor.nothing(self.size)
        known = self.factors.get(candidate, nothing)
        return known + self.waiting[candidate] if candidate in self.waiting else known

    def faded(self, share: float) -> "Learned":
        return Learned(self.size, {name: factor.faded(share) for name, factor in self.factors.items()})


def beliefs_of(learned: Learned, candidates: Sequence[str], attributes: Attributes = ALIKE) -> dict[str, Belief]:
    """The posteriors of these candidates, each shrunk to what is expected of it; also of one never tried."""
    expected = attributes.of(candidates) @ shared_weights(learned, attributes)
    return {one: _belief(learned.about(one), mean) for one, mean in zip(candidates, expected, strict=True)}


def shared_weights(learned: Learned, attributes: Attributes = ALIKE) -> Floats:
    """The posterior mean (1 + attributes, d) of the weights that all share, and of those that each attribute brings.

    With the deviation v_k integrated out, a factor says `information @ C / v` about what is expected of its candidate,
    with precision `1/v - C / v**2`, where v = SPREAD**2 and C is the covariance of its weights were they expected at 0.
    """
    known = sorted({*learned.factors, *learned.waiting})
    z = attributes.of(known)
    spread = np.full((1 + attributes.size, learned.size), SHARED_SPREAD**2)
    spread[0, :1] = SHARED_BIAS**2
    own = [_belief(learned.about(one), np.zeros(learned.size)) for one in known]
    told = np.array([belief.mean for belief in own]).reshape(-1, learned.size)
    information: Floats = z.T @ told / SPREAD**2
    if learned.size > MOST_CORRELATED or spread.size > MOST_TOGETHER:
        return _solved_by_feature(z, own, information, spread)
    return _solved(z, own, information, spread)


def _solved(z: Floats, own: Sequence[Belief], information: Floats, spread: Floats) -> Floats:
    precision = np.diag(1.0 / spread.ravel())
    for row, belief in zip(z, own, strict=True):
        precision += np.kron(np.outer(row, row), _says(belief.covariance))
    weights = np.linalg.solve(precision, information.ravel()).astype(np.float64)
    return weights.reshape(spread.shape)


def _solved_by_feature(z: Floats, own: Sequence[Belief], information: Floats, spread: Floats) -> Floats:
    precision = np.eye(len(spread)) / spread.T[:, :, None]
    for row, belief in zip(z, own, strict=True):
        covariance = belief.covariance if belief.covariance.ndim == 1 else np.diag(belief.covariance)
        precision += _says(covariance)[:, None, None] * np.outer(row, row)
    weights = np.linalg.solve(precision, information.T[:, :, None]).astype(np.float64)
    return weights[:, :, 0].T


def _says(covariance: Floats) -> Floats:
    return scaled_identity(covariance, SPREAD**-2) - covariance / SPREAD**4


def _belief(factor: Factor, expected: Floats) -> Belief:
    precision = factor.precision + scaled_identity(factor.precision, SPREAD**-2)
    covariance = inverse(precision)
    return Belief(times(covariance, factor.information + expected / SPREAD**2), precision, covariance)
