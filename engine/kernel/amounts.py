"""What a success of each candidate brings in, as it was learned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.model.placement import Placement


class Amounts(NamedTuple):
    """What successes bring in; `counts` where the reward is just that, and not a margin that knows the cart."""

    amount_draws: bandits.AmountDraws
    counts: bool


def make_amounts(
    ids: Sequence[str], sums: Sequence[bandits.Amounts], placement: Placement, version: int
) -> Amounts | None:
    """Drawn anew for each beliefs version; None where the reward asks for no amounts."""
    if placement.reward not in ("revenue", "margin"):
        return None
    amount_draws = bandits.make_amount_draws(ids, sums, seed=version, typical=max(1, placement.typical_amount))
    return Amounts(amount_draws, placement.reward == "revenue")


def weighted(rates: NDArray[np.float32], weights: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Draws times what a success is worth; (K, M)."""
    return rates if weights is None else rates * weights.astype(np.float32)[:, None]
