"""Posteriors of candidates' weights. Each is shrunk to the weights that its attributes and all candidates share:

    w_k = u + sum over the attributes a of k of z_ka * t_a + v_k        v_k ~ N(0, SPREAD**2)

The shared weights u and those of the attributes t are estimated by their posterior mean, with the deviations v
integrated out. So a candidate that was never tried starts from its attributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bandits.posterior.gaussian import Belief, Floats, inverse, scaled_identity, times
from bandits.posterior.logistic_update import MOST_CORRELATED, Factor, Observations, PendingTrials, clamped, factors_of

SPREAD = 1.0
"""The prior standard deviation of a candidate's weights around what its attributes predict."""

SHARED_BIAS, SHARED_SPREAD = 2.0, 1.0
"""The prior standard deviations of the shared weights: of the constant 1, and of every other feature. Weights of
attributes have the latter."""

MOST_JOINT = 400
"""If there are more shared weights, those of each feature are estimated separately."""

REFIT_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes by candidate id: a row of `size` numbers z; a candidate that is not listed has zeros."""

    size: int = 0
    rows: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def matrix(self, candidates: Sequence[str]) -> Floats:
        """Return the rows (K, 1 + size) of candidates; each begins with the 1 that all share."""
        zeros = (0.0,) * self.size
        return np.array([(1.0, *self.rows.get(name, zeros)) for name in candidates]).reshape(-1, 1 + self.size)


NO_ATTRIBUTES = Attributes()
NONE_PENDING: Mapping[str, PendingTrials] = {}


@dataclass(frozen=True, slots=True, eq=False)
class WeightEvidence:
    """Evidence about the weights of `size` features, by candidate id, without the prior.

    `factors` come from outcomes and stay. `pending` come from trials without an outcome yet, and the next update
    replaces them.
    """

    size: int
    factors: Mapping[str, Factor] = field(default_factory=dict)
    pending: Mapping[str, Factor] = field(default_factory=dict)

    def updated(
        self,
        observations: Mapping[str, Observations],
        attributes: Attributes = NO_ATTRIBUTES,
        pending: Mapping[str, PendingTrials] = NONE_PENDING,
    ) -> "WeightEvidence":
        """Return the evidence with a batch of observations and the trials pending now, both by candidate id.

        Larger batches are nearer to the exact posterior. Raises ValueError if the number of features does not fit.
        """
        settled = WeightEvidence(self.size, self.factors)
        candidates = sorted({*observations, *pending})
        factors, pending_factors, before = dict(self.factors), {}, beliefs_of(settled, candidates, attributes)
        for candidate in candidates:
            batch = observations.get(candidate, Observations.none(self.size))
            if batch.features.shape[1:] != (self.size,):
                raise ValueError(f"{candidate}: observations need {self.size} features, not {batch.features.shape[1:]}")
            trials = pending.get(candidate, PendingTrials.none(self.size))
            new, pending_factors[candidate] = factors_of(before[candidate], batch, trials)
            factors[candidate] = clamped(settled.factor(candidate) + new, batch)
        return WeightEvidence(self.size, factors, {name: pending_factors[name] for name in sorted(pending)})

    def factor(self, candidate: str) -> Factor:
        """Return all evidence about a candidate, pending trials included."""
        factor = self.factors.get(candidate, Factor.nothing(self.size))
        return factor + self.pending[candidate] if candidate in self.pending else factor

    def faded(self, share: float) -> "WeightEvidence":
        """Return the evidence of outcomes with `share`, 0 to 1, of its weight."""
        return WeightEvidence(self.size, {name: factor.faded(share) for name, factor in self.factors.items()})


def beliefs_of(
    evidence: WeightEvidence, candidates: Sequence[str], attributes: Attributes = NO_ATTRIBUTES
) -> dict[str, Belief]:
    """Return the posteriors of candidates by id, also of those never tried."""
    expected = attributes.matrix(candidates) @ shared_weights(evidence, attributes)
    return {name: _belief(evidence.factor(name), mean) for name, mean in zip(candidates, expected, strict=True)}


def refitted(
    observations: Mapping[str, Observations], size: int, attributes: Attributes = NO_ATTRIBUTES
) -> WeightEvidence:
    """Return the evidence of all observations at once, by candidate id, without what batches in turn lose.

    Each factor is linearised at the mode of its posterior, whose prior mean follows from the factors of all candidates:
    both are found in turn (empirical Bayes).
    """
    evidence = WeightEvidence(size)
    for _ in range(REFIT_ROUNDS):
        expected = attributes.matrix(list(observations)) @ shared_weights(evidence, attributes)
        evidence = WeightEvidence(
            size,
            {
                name: factors_of(_belief(Factor.nothing(size), mean), batch, PendingTrials.none(size))[0]
                for (name, batch), mean in zip(observations.items(), expected, strict=True)
            },
        )
    return evidence


def shared_weights(evidence: WeightEvidence, attributes: Attributes = NO_ATTRIBUTES) -> Floats:
    """Return the posterior mean (1 + attributes, d) of the weights that all share, then of those of each attribute.

    With the deviation v_k integrated out, a factor gives the information `information @ C / v` about the expected
    weights of its candidate, with precision `1/v - C / v**2`, where v = SPREAD**2 and C is the covariance of its
    weights if they were expected at 0.
    """
    names = sorted({*evidence.factors, *evidence.pending})
    z = attributes.matrix(names)
    variances = np.full((1 + attributes.size, evidence.size), SHARED_SPREAD**2)
    variances[0, :1] = SHARED_BIAS**2
    unshrunk = [_belief(evidence.factor(name), np.zeros(evidence.size)) for name in names]
    means = np.array([belief.mean for belief in unshrunk]).reshape(-1, evidence.size)
    information: Floats = z.T @ means / SPREAD**2
    if evidence.size > MOST_CORRELATED or variances.size > MOST_JOINT:
        return _solve_by_feature(z, unshrunk, information, variances)
    return _solve_jointly(z, unshrunk, information, variances)


def _solve_jointly(z: Floats, unshrunk: Sequence[Belief], information: Floats, variances: Floats) -> Floats:
    precision = np.diag(1.0 / variances.ravel())
    for row, belief in zip(z, unshrunk, strict=True):
        precision += np.kron(np.outer(row, row), _precision_of_expected(belief.covariance))
    weights = np.linalg.solve(precision, information.ravel()).astype(np.float64)
    return weights.reshape(variances.shape)


def _solve_by_feature(z: Floats, unshrunk: Sequence[Belief], information: Floats, variances: Floats) -> Floats:
    precision = np.eye(len(variances)) / variances.T[:, :, None]
    for row, belief in zip(z, unshrunk, strict=True):
        covariance = belief.covariance if belief.covariance.ndim == 1 else np.diag(belief.covariance)
        precision += _precision_of_expected(covariance)[:, None, None] * np.outer(row, row)
    weights = np.linalg.solve(precision, information.T[:, :, None]).astype(np.float64)
    return weights[:, :, 0].T


def _precision_of_expected(covariance: Floats) -> Floats:
    return scaled_identity(covariance, SPREAD**-2) - covariance / SPREAD**4


def _belief(factor: Factor, expected: Floats) -> Belief:
    precision = factor.precision + scaled_identity(factor.precision, SPREAD**-2)
    covariance = inverse(precision)
    return Belief(times(covariance, factor.information + expected / SPREAD**2), precision, covariance)
