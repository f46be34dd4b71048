"""The weighing of choices in plain numpy: slow, short, and the oracle of the compiled steps."""

from __future__ import annotations

import numpy as np

ROUNDS = 4


def best_earned(attractions, values, slots):
    """Return the value of a visit under the best order, summed from the first slot."""
    earned = 0.0
    for _ in range(ROUNDS):
        order = np.argsort(attractions * (earned - values), kind="stable")
        shares = attractions[order] * slots[np.minimum(np.arange(len(order)), len(slots) - 1)]
        earned = sum((shares * values[order]).tolist()) / sum(shares.tolist(), 1.0)
    return earned


def weigh(attractions, own, strength, values, slots, means):
    """The means (3, K) and the weights (1, K) of a request."""
    factors, means = np.ones(len(attractions)), means.copy()
    if own.size:
        shares = np.maximum(attractions / sum(attractions.tolist()), 1e-9)
        factors = (strength + own / shares) / (strength + sum(own.tolist()))
        moved = attractions * factors
        means[:2] = moved / (1.0 + moved)
    if values.size:
        earned = best_earned(attractions, values[0], slots) if slots.size else 0.0
        factors = factors * (values[0] - earned)
    return means, factors[None]
