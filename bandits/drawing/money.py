"""Amounts of successes: what a trial earns is its success (0 or 1) times the amount of a success."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.draws import DRAWS, noise

TYPICAL_STRENGTH = 2.0
"""The typical amount weighs as much as so many known amounts; from 2 on, the posterior has a finite variance."""

_AMOUNTS = 1
"""The noise stream of amounts, so that it is independent of that of rates."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """The number of successes with a known amount, their sum in minor units and that of their squares (0: not kept).

    Fractions once faded.
    """

    count: float = 0
    total: float = 0
    squares: float = 0

    @property
    def weight(self) -> float:
        """Return the number of amounts, varying as exponential ones do, that say as much about the mean."""
        if not self.squares or not self.total:
            return self.count
        return self.count / max(1.0, self.squares * self.count / self.total**2 - 1)


@dataclass(frozen=True, slots=True, eq=False)
class AmountDraws:
    """Values of a success in minor units: `draws` float32 (K, M), `means` float64 (K,). Read-only."""

    draws: NDArray[np.float32]
    means: NDArray[np.float64]


def mean_amount(amounts: Amounts, *, typical: float) -> float:
    """Return the posterior mean of the amount of a success, in minor units."""
    share = amounts.weight / amounts.count if amounts.count else 1.0
    return (TYPICAL_STRENGTH * typical + share * amounts.total) / (TYPICAL_STRENGTH + amounts.weight)


def make_amount_draws(
    ids: Sequence[str],
    amounts: Sequence[Amounts],
    *,
    seed: int,
    typical: float,
    margin: float = 1.0,
    fees: Sequence[float] | None = None,
    count: int = DRAWS,
) -> AmountDraws:
    """Draw the value of a success of each candidate, margin * amount - fee, `count` times; `fees` (K,) default to 0.

    `typical` > 0 is the amount to expect if none is known; otherwise ValueError. Amounts are modelled as exponential,
    so their mean has an inverse gamma posterior (a little too wide for amounts that vary less; those that vary more
    count as fewer). The noise depends on `seed` and the id as that of rates does, and is independent of it. The product
    with draws of rates is a draw of what a trial earns.
    """
    if not typical > 0:
        raise ValueError(f"typical must be positive: {typical}")
    costs = [0.0] * len(ids) if fees is None else fees
    draws, means = np.empty((len(ids), count), np.float32), np.empty(len(ids), np.float64)
    for row, (candidate, amount, fee) in enumerate(zip(ids, amounts, costs, strict=True)):
        expected, shape = mean_amount(amount, typical=typical), TYPICAL_STRENGTH + amount.weight
        draws[row] = margin * expected * shape / noise(seed, candidate, _AMOUNTS).gamma(shape + 1, 1.0, count) - fee
        means[row] = margin * expected - fee
    draws.setflags(write=False)
    means.setflags(write=False)
    return AmountDraws(draws, means)
