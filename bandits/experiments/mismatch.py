"""Sample ratio mismatch at every look: whether units arrive in the shares that they were split by.

The sequential multinomial test of Lindon and Malek (2020, "Anytime-valid inference for multinomial count data"): the
Bayes factor of a Dirichlet around the split against the split itself. It is a martingale if the split holds, so it
exceeds 1 / share at any time with at most the chance `share` (Ville's inequality). An average over segments is one
too, and sees a loss inside one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.posterior.beta import log_gamma

Floats = NDArray[np.float64]

CONCENTRATION = 1_000.0
"""How close to the split a mismatch is expected: shares off by about one and a half points."""
FALSE_STOPS = 0.01


def log_evidence(counts: ArrayLike, split: ArrayLike) -> Floats:
    """Return the logarithm of the evidence (...) against the split (V,), for units by variant (..., V)."""
    units, shares = np.asarray(counts, np.float64), np.asarray(split, np.float64)
    shares = shares / shares.sum()
    prior = CONCENTRATION * shares
    total = units.sum(axis=-1)
    marginal = log_gamma(CONCENTRATION) - log_gamma(CONCENTRATION + total)
    marginal = marginal + (log_gamma(prior + units) - log_gamma(prior)).sum(axis=-1)
    evidence: Floats = marginal - units @ np.log(shares)
    return evidence


def mismatch_p_values(segments: ArrayLike, split: Sequence[float]) -> Floats:
    """Return the p-values (...), valid at every look, of units by segment and variant (..., S, V), split by (V,).

    Half of the weight is on all units together, half on the segments. A segment must be known before the assignment.
    """
    units = np.asarray(segments, np.float64)
    logs = np.concatenate((log_evidence(units.sum(axis=-2), split)[..., None], log_evidence(units, split)), axis=-1)
    weights = np.append(0.5, np.full(units.shape[-2], 0.5 / units.shape[-2]))
    highest = logs.max(axis=-1)
    log_average = highest + np.log(np.exp(logs - highest[..., None]) @ weights)
    p_values: Floats = np.exp(-np.maximum(0.0, log_average))
    return p_values


def has_mismatch(segments: ArrayLike, split: Sequence[float]) -> bool:
    """Return whether the units (S, V) deny the split; at most `FALSE_STOPS` of healthy experiments ever do."""
    return bool(mismatch_p_values(segments, split) <= FALSE_STOPS)
