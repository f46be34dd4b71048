"""Turn stored amounts into the evidence of a beliefs version: by bin, faded, the tail cut. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import bandits
from bandits.evidence.tails import Bin, amount_bin, tail_begin, winsorised

CART = 10_000
"""The unit of relative amounts: ten-thousandths of the cart."""

KNOWN_SHARE = 0.5
"""Amounts with a known cart count alone, or amounts with a bin are cut, once they are more than this share of all."""

Bins = Mapping[str, Mapping[int, Bin]]
Fade = Callable[[str, int], float]
"""Returns the weight of a candidate's evidence of a day."""


class AmountRow(NamedTuple):
    """Amounts of a candidate in one bin and day, in ten-thousandths of the cart if `relative`, else in minor units."""

    candidate: str
    relative: int
    bin: int
    day: int
    priced: int
    amount: int


class PricedRow(Protocol):
    """The sums of a candidate's amounts of a day, in minor units."""

    @property
    def candidate(self) -> str: ...
    @property
    def day(self) -> int: ...
    @property
    def priced(self) -> int: ...
    @property
    def amount(self) -> int: ...


def relative_amount(amount: int, cart: object) -> int | None:
    """Return an amount in ten-thousandths of the cart; None if the cart is not known."""
    return round(amount * CART / cart) if isinstance(cart, int) and not isinstance(cart, bool) and cart > 0 else None


def amounts_by_candidate(
    rows: Sequence[AmountRow], days: Sequence[PricedRow], fade: Fade, *, typical: int
) -> dict[str, bandits.Amounts]:
    """Return the faded amounts of each candidate in minor units, for a cart of `typical` minor units.

    `days` are the sums of the same amounts. In a database that is older than bins they hold more than `rows`: as long
    as most amounts have no bin, they are not cut, and later those without lie at their day's mean.
    """
    plain = _plain(days, fade)
    relative, absolute = (_bins([row for row in rows if row.relative == kind], fade) for kind in (1, 0))
    most = KNOWN_SHARE * sum(amounts.count for amounts in plain.values())
    if _count(relative) <= most and _count(absolute) <= most:
        return plain
    bins, scale = relative, typical / CART
    if _count(relative) <= most:
        bins = _bins([row for row in rows if not row.relative] + _without_bins(rows, days), fade)
        scale = 1.0
    cut = winsorised(bins, tail_begin(list(bins.values())))
    return {
        name: bandits.Amounts(amounts.count, amounts.total * scale, amounts.squares * scale**2)
        for name, amounts in cut.items()
    }


def _plain(days: Sequence[PricedRow], fade: Fade) -> dict[str, bandits.Amounts]:
    """Return the faded number and sum of amounts by candidate."""
    sums: dict[str, bandits.Amounts] = {}
    for row in days:
        if row.priced:
            weight, before = fade(row.candidate, row.day), sums.get(row.candidate, bandits.Amounts(0.0, 0.0))
            total = before.total + weight * row.amount
            sums[row.candidate] = bandits.Amounts(before.count + weight * row.priced, total)
    return sums


def _without_bins(rows: Sequence[AmountRow], days: Sequence[PricedRow]) -> list[AmountRow]:
    """Return the amounts that have no bins, as rows at the mean of their day."""
    counted: Counter[tuple[str, int]] = Counter()
    for row in rows:
        counted[row.candidate, row.day] += row.priced
    sums: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for day in days:
        sums[day.candidate, day.day][0] += day.priced
        sums[day.candidate, day.day][1] += day.amount
    return [
        AmountRow(name, 0, amount_bin(round(amount / priced)), day, rest, round(amount / priced * rest))
        for (name, day), (priced, amount) in sums.items()
        if priced > 0 and (rest := priced - counted[name, day]) > 0
    ]


def _bins(rows: Sequence[AmountRow], fade: Fade) -> dict[str, dict[int, Bin]]:
    bins: defaultdict[str, dict[int, Bin]] = defaultdict(dict)
    for row in rows:
        before, weight = bins[row.candidate].get(row.bin, Bin(0.0, 0.0)), fade(row.candidate, row.day)
        bins[row.candidate][row.bin] = Bin(before.count + weight * row.priced, before.total + weight * row.amount)
    return {
        name: {number: each for number, each in of_candidate.items() if each.count > 0}
        for name, of_candidate in sorted(bins.items())
    }


def _count(bins: Bins) -> float:
    return sum(each.count for of_candidate in bins.values() for each in of_candidate.values())
