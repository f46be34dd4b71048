"""Learned amounts: how much a success of each candidate brings in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import bandits
from engine.model.placement import Placement


class AmountScores(NamedTuple):
    """Draws of the amount of a success. `counts` is true if scores are multiplied by it: for the reward `revenue`.

    For `margin` the value weights of a request take its place, as the cart is known.
    """

    amount_draws: bandits.AmountDraws
    counts: bool


def make_amounts(
    ids: Sequence[str], sums: Sequence[bandits.Amounts], placement: Placement, version: int
) -> AmountScores | None:
    """Draw the amounts for a beliefs version; None if the reward does not depend on amounts."""
    if placement.reward not in ("revenue", "margin"):
        return None
    amount_draws = bandits.make_amount_draws(ids, sums, seed=version, typical=max(1, placement.typical_amount))
    return AmountScores(amount_draws, placement.reward == "revenue")
