"""Posterior draws of the weights of features, frozen for one beliefs version, and the scores of a request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.drawing.draws import DRAWS, noise
from bandits.posterior.gaussian import Belief
from bandits.posterior.logistic_update import rate
from bandits.posterior.weight_posterior import NO_ATTRIBUTES, Attributes, WeightEvidence, beliefs_of

WIDTH = 0.5
"""The spread of draws as a share of the posterior's: full posteriors of many weights explore too much (Chapelle and Li,
2011, reduce them in the same way). docs/verification.md lists the regrets."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """`draws` float32 (K, d, M), M draws of each candidate's weights; `means` float64 (K, d). Read-only."""

    draws: NDArray[np.float32]
    means: NDArray[np.float64]

    def scores(self, features: ArrayLike) -> NDArray[np.float32]:
        """Return the log-odds (K, M) in each draw for a request's `features` (K, d), which may differ by candidate."""
        x = np.asarray(features, np.float32)
        scores: NDArray[np.float32] = np.matmul(x[:, None, :], self.draws)[:, 0, :]
        return scores

    def rates(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the rate (K,) of each candidate under its mean weights.

        Rounded to single precision: the last digits differ between kinds of processors, which add up in different
        orders, but logged answers must be the same on all of them.
        """
        rates = rate(np.vecdot(self.means, np.asarray(features, np.float64)))
        return rates.astype(np.float32).astype(np.float64)


def rates_of(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rates (K, M) for log-odds; needed before rates are multiplied by the value of a success."""
    # Beyond odds of e**80 the exponential would overflow, and the rate is 0 all the same.
    rates = np.exp(np.minimum(-scores, 80.0))
    rates += 1
    return np.reciprocal(rates, rates)


def make_weights(
    candidates: Sequence[str],
    evidence: WeightEvidence,
    *,
    seed: int,
    attributes: Attributes = NO_ATTRIBUTES,
    width: float = WIDTH,
    count: int = DRAWS,
) -> Weights:
    """Draw the weights of each candidate `count` times.

    A candidate's noise depends only on `seed` (>= 0) and its id: it is independent across candidates, and does not
    change with the other candidates or their order.
    """
    beliefs = beliefs_of(evidence, candidates, attributes)
    draws = np.empty((len(candidates), evidence.size, count), np.float32)
    means = np.empty((len(candidates), evidence.size))
    for row, candidate in enumerate(candidates):
        belief = beliefs[candidate]
        standard = noise(seed, candidate).standard_normal((evidence.size, count))
        draws[row] = belief.mean[:, None] + width * _spread(belief, standard)
        means[row] = belief.mean
    draws.setflags(write=False)
    means.setflags(write=False)
    return Weights(draws, means)


def _spread(belief: Belief, standard: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard normal numbers (d, M) with the covariance of the belief."""
    if belief.covariance.ndim == 1:
        return np.sqrt(belief.covariance)[:, None] * standard
    spread: NDArray[np.float64] = np.linalg.cholesky(belief.covariance) @ standard
    return spread
