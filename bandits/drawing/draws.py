"""Posterior draws of rates, frozen for one beliefs version."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.keys import candidate_hash
from bandits.posterior.beliefs import FLAT, Evidence, Prior, mean, posterior

DRAWS = 1024
"""A power of two, so that wins / 1024 is exact in binary and chances sum to exactly 1 before the floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """`rates` float32 (K, M), M draws for each candidate; `means` float64 (K,), the posterior means. Read-only."""

    rates: NDArray[np.float32]
    means: NDArray[np.float64]


def make_draws(
    ids: Sequence[str],
    evidence: Sequence[Evidence],
    *,
    seed: int,
    priors: Sequence[Prior] | None = None,
    count: int = DRAWS,
) -> Draws:
    """Draw from the Beta posterior of each candidate `count` times; without `priors`, every prior is flat.

    A candidate's noise depends only on `seed` (>= 0) and its id: it is independent across candidates, and does not
    change with the other candidates or their order.
    """
    priors = [FLAT] * len(ids) if priors is None else priors
    rates = np.empty((len(ids), count), np.float32)
    means = np.empty(len(ids), np.float64)
    for row, (candidate, counts, prior) in enumerate(zip(ids, evidence, priors, strict=True)):
        rates[row] = noise(seed, candidate).beta(*posterior(counts, prior), count)
        means[row] = mean(counts, prior)
    rates.setflags(write=False)
    means.setflags(write=False)
    return Draws(rates, means)


def noise(seed: int, candidate: str, *stream: int) -> np.random.RandomState:
    """Return a candidate's own stream of random numbers under a seed; each `stream` is independent."""
    # NEP 19 keeps RandomState's streams stable for good, but a Generator's only until the next release;
    # logged decisions must replay after an upgrade.
    return np.random.RandomState(np.random.PCG64([seed, candidate_hash(candidate), *stream]))
