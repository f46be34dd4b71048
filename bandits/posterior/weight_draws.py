"""Posterior draws of the weights of features, frozen for one beliefs version, and the scores of a request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.drawing.draws import DRAWS, noise
from bandits.posterior.gaussian import Belief
from bandits.posterior.logistic_update import rate
from bandits.posterior.weight_posterior import ALIKE, Attributes, Learned, beliefs_of

WIDTH = 0.5
"""How far draws lie from the mean, as a share of the posterior's own spread: whole posteriors of many weights explore
more than they need (Chapelle and Li, 2011, reshape them alike). The regrets are in docs/learning.md."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """`draws` float32 (K, d, M), M draws of each candidate's weights; `means` float64 (K, d). Read-only."""

    draws: NDArray[np.float32]
    means: NDArray[np.float64]

    def scores(self, features: ArrayLike) -> NDArray[np.float32]:
        """Each draw's log-odds (K, M) for a request's `features` (K, d), which may differ by candidate."""
        x = np.asarray(features, np.float32)
        scores: NDArray[np.float32] = np.matmul(x[:, None, :], self.draws)[:, 0, :]
        return scores

    def rates(self, features: ArrayLike) -> NDArray[np.float64]:
        """The rate (K,) of each candidate under its mean weights.

        Their last digits differ between kinds of processors, which add up in orders of their own. They stand in logged
        answers, which are to come out the same on each: so they are rounded.
        """
        rates = rate(np.vecdot(self.means, np.asarray(features, np.float64)))
        return rates.astype(np.float32).astype(np.float64)


def rates_of(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rates (K, M) that these log-odds stand for: needed where they are multiplied by what a success is worth."""
    # Odds of e**80 are as good as certain, and do not overflow.
    rates = np.exp(np.minimum(-scores, 80.0))
    rates += 1
    return np.reciprocal(rates, rates)


def make_weights(
    candidates: Sequence[str],
    learned: Learned,
    *,
    seed: int,
    attributes: Attributes = ALIKE,
    width: float = WIDTH,
    count: int = DRAWS,
) -> Weights:
    """`count` draws of the weights of each candidate.

    A candidate's noise depends on `seed` (>= 0) and its own id only: independent across candidates, and unchanged by
    whoever else takes part or by their order.
    """
    beliefs = beliefs_of(learned, candidates, attributes)
    draws = np.empty((len(candidates), learned.size, count), np.float32)
    means = np.empty((len(candidates), learned.size))
    for row, candidate in enumerate(candidates):
        belief = beliefs[candidate]
        standard = noise(seed, candidate).standard_normal((learned.size, count))
        draws[row] = belief.mean[:, None] + width * _spread(belief, standard)
        means[row] = belief.mean
    draws.setflags(write=False)
    means.setflags(write=False)
    return Weights(draws, means)


def _spread(belief: Belief, standard: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard normal numbers (d, M), given the covariance of the belief."""
    if belief.covariance.ndim == 1:
        return np.sqrt(belief.covariance)[:, None] * standard
    spread: NDArray[np.float64] = np.linalg.cholesky(belief.covariance) @ standard
    return spread
