"""Posterior draws of the weights of features, frozen for one beliefs version, and the scores of a request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.drawing.draws import DRAWS, noise
from bandits.drawing.slots import compiled_steps
from bandits.posterior.gaussian import Belief
from bandits.posterior.weight_posterior import NO_ATTRIBUTES, Attributes, WeightEvidence, beliefs_of

WIDTH = 0.5
"""The spread of draws as a share of the posterior's: full posteriors of many weights explore too much (Chapelle and Li,
2011, reduce them in the same way). docs/verification.md lists the regrets."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """`draws` float32 (K, d, M), M draws of each candidate's weights; `means` float64 (K, d). Read-only."""

    draws: NDArray[np.float32]
    means: NDArray[np.float64]

    def score(self, features: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return log-odds (1, K, M) by draw for a request's `features` (K, d), and rates (1, K) under mean weights.

        Rates are rounded to single precision: the last digits of tanh differ between C libraries, but logged answers
        must be the same with all of them.
        """
        x = np.ascontiguousarray(features, np.float64)
        count, _, draws = self.draws.shape
        scores, rates = np.empty((1, count, draws), np.float32), np.empty((1, count))
        compiled_steps().weigh_features(self.draws, self.means, x, scores, rates)
        return scores, rates


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
