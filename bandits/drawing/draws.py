"""Posterior draws, frozen for one beliefs version."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.draw import candidate_hash
from bandits.posterior.beliefs import FLAT, Evidence, Prior, mean, posterior

DRAWS = 1024
"""A power of two: wins / 1024 is exact in binary, so chances sum to exactly 1 before the floor."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """`rates` float32 (K, M), a row of draws per candidate; `means` float64 (K,), the posterior means. Read-only."""

    rates: NDArray[np.float32]
    means: NDArray[np.float64]


def make_draws(
    ids: Sequence[str],
    statistics: Sequence[Evidence],
    *,
    seed: int,
    priors: Sequence[Prior] | None = None,
    count: int = DRAWS,
) -> Draws:
    """`count` draws from the Beta posterior of each candidate; without `priors`, every prior is flat.

    A candidate's noise depends on `seed` (>= 0) and its own id only: independent across candidates, and unchanged by
    whoever else takes part or by their order.
    """
    before = [FLAT] * len(ids) if priors is None else priors
    rates = np.empty((len(ids), count), np.float32)
    means = np.empty(len(ids), np.float64)
    for row, (candidate, known, prior) in enumerate(zip(ids, statistics, before, strict=True)):
        rates[row] = noise(seed, candidate).beta(*posterior(known, prior), count)
        means[row] = mean(known, prior)
    rates.setflags(write=False)
    means.setflags(write=False)
    return Draws(rates, means)


def noise(seed: int, candidate: str, *stream: int) -> np.random.RandomState:
    """A candidate's own stream of random numbers under a seed; another for each `stream`."""
    # numpy promises RandomState's streams for good (NEP 19), a Generator's only until the next release;
    # logged decisions have to replay after an upgrade.
    return np.random.RandomState(np.random.PCG64([seed, candidate_hash(candidate), *stream]))
