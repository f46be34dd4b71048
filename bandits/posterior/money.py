"""Money: what a trial earns is whether it succeeds times what a success brings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.draws import DRAWS, noise

TYPICAL_STRENGTH = 2.0
"""How many amounts the typical amount weighs as much as; from 2 on, its belief has a finite spread."""

_AMOUNTS = 1
"""Keeps the noise of amounts apart from that of rates."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many successes had a known amount, and their sum in minor units. Whole numbers where they are counted;
    fractions at the point of use, where they have faded."""

    count: float = 0
    total: float = 0


@dataclass(frozen=True, slots=True, eq=False)
class AmountDraws:
    """`draws` float32 (K, M) of what a success is worth, `means` float64 (K,), in minor units. Read-only."""

    draws: NDArray[np.float32]
    means: NDArray[np.float64]


def mean_amount(known: Amounts, *, typical: float) -> float:
    """The posterior mean of what a success brings, in minor units."""
    return (TYPICAL_STRENGTH * typical + known.total) / (TYPICAL_STRENGTH + known.count)


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
    """What a success of each candidate is worth, margin * amount - fee; `fees` (K,), 0 unless given.

    `typical` > 0 is an amount to expect where none is known. Amounts are taken as exponential, whose mean has an
    inverse gamma posterior (a little too wide for what varies less). The noise is seeded as that of rates is, and
    independent of it. Multiplied with the draws of the rates, after the customer's own level, these are draws of what
    a trial earns; what is to be small is raced with its sign turned.
    """
    if not typical > 0:
        raise ValueError(f"typical must be positive: {typical}")
    costs = [0.0] * len(ids) if fees is None else fees
    draws, means = np.empty((len(ids), count), np.float32), np.empty(len(ids), np.float64)
    for row, (candidate, known, fee) in enumerate(zip(ids, amounts, costs, strict=True)):
        expected, shape = mean_amount(known, typical=typical), TYPICAL_STRENGTH + known.count
        draws[row] = margin * expected * shape / noise(seed, candidate, _AMOUNTS).gamma(shape + 1, 1.0, count) - fee
        means[row] = margin * expected - fee
    draws.setflags(write=False)
    means.setflags(write=False)
    return AmountDraws(draws, means)
