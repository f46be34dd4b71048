"""Cut the tail of amounts, so that one order of 20,000 is no merit of the method that it was paid with.

Amounts are kept by candidate and bin, a quarter of a doubling each: counts and sums, whole numbers that add. At the
point of use those beyond a high quantile of the whole placement count as that (winsorised; Tukey, 1962), the same for
every candidate, and their squares say how much they vary.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bandits.drawing.money import Amounts

EDGES = (0, *(round(2 ** (step / 4)) for step in range(8, 161)))
"""The lower edges of the bins in minor units: under 4, then four bins to each doubling, the last from 2**40 on."""

TAIL = 0.01
"""The share of the amounts, of all candidates together, that counts as the least of them."""

FEWEST_IN_TAIL = 3
"""At least so many amounts lie in the tail, so that one or two never count in full."""

_SPREAD_STRENGTH = 50.0
"""Amounts of a candidate's own that the placement's spread weighs as much as."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The number of amounts in a bin, and their sum; fractions once faded."""

    count: float
    total: float


def amount_bin(amount: int) -> int:
    """Return the bin of an amount in minor units; amounts that are not positive lie in the first."""
    return max(0, bisect_right(EDGES, amount) - 1)


def winsorised(amounts: Mapping[str, Mapping[int, Bin]], cap: float) -> dict[str, Amounts]:
    """Return by candidate the count, sum and sum of squares of amounts by candidate and bin, none larger than `cap`.

    A candidate with few amounts is taken to have the spread of all.
    """
    cut = {name: _cut(bins, cap) for name, bins in amounts.items()}
    count = sum(each.count for each in cut.values())
    spread = sum(_relative_square(each) * each.count for each in cut.values()) / count if count else 0.0
    return {name: _with_spread(each, spread) for name, each in cut.items()}


def tail_begin(amounts: Sequence[Mapping[int, Bin]]) -> float:
    """Return the amount from which on the tail begins: the mean of its first bin; infinity without amounts."""
    counts, totals = np.zeros(len(EDGES)), np.zeros(len(EDGES))
    for bins in amounts:
        for number, each in bins.items():
            counts[number] += each.count
            totals[number] += each.total
    beyond = counts[::-1].cumsum()[::-1]
    inside = np.flatnonzero(beyond >= max(TAIL * counts.sum(), FEWEST_IN_TAIL))
    begin = int(inside[-1]) if len(inside) else int(np.flatnonzero(counts).min(initial=len(EDGES)))
    return float(totals[begin] / counts[begin]) if begin < len(EDGES) and counts[begin] else float("inf")


def _cut(bins: Mapping[int, Bin], cap: float) -> Amounts:
    means = [(each.count, min(each.total / each.count, cap)) for _, each in sorted(bins.items()) if each.count > 0]
    return Amounts(
        sum(count for count, _ in means),
        sum(count * mean for count, mean in means),
        sum(count * mean * mean for count, mean in means),
    )


def _relative_square(amounts: Amounts) -> float:
    """Return the mean square over the squared mean: 1 and the squared coefficient of variation."""
    return amounts.squares * amounts.count / amounts.total**2 if amounts.total else 1.0


def _with_spread(amounts: Amounts, spread: float) -> Amounts:
    if not amounts.count:
        return amounts
    own = _relative_square(amounts) * amounts.count + spread * _SPREAD_STRENGTH
    relative = own / (amounts.count + _SPREAD_STRENGTH)
    return Amounts(amounts.count, amounts.total, relative * amounts.total**2 / amounts.count)
