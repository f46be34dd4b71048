"""Price a budget, so that its spending lasts for its time and goes where it brings in most. Pure.

An offer is worth its value less the price times its cost. The price is the dual variable of the budget's limit. It
follows dual mirror descent with the entropy as mirror map (Balseiro, Lu and Mirrokni, 2023): multiplied up where more
is spent than is due, and down where less is. What is due is planned anew at each step from what is left (Agrawal, Wang
and Ye, 2014), in proportion to the traffic that is expected until the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

FIRST_PRICE = 1.0
"""The price before anything was spent: a unit of the budget is worth a unit of margin."""
LEAST_PRICE, LARGEST_PRICE = 0.01, 100.0
RATE = 20.0
"""A price that is wrong by a factor e gets right within about a twentieth of the budget's time, and sooner at first."""
EARLY, FASTEST = 0.02, 8.0
"""Steps shrink with the share of the time that has passed, as in stochastic approximation: at `EARLY` they are double
as large as at the end, and never more than `FASTEST` times."""
LARGEST_STEP = 0.5
"""The most that the logarithm of a price changes at once."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class PacingStep(NamedTuple):
    """The spending since the last step: `spent` of what was `left` then.

    Traffic is what was expected, in any one unit: `elapsed` in that time, and `to_come` from its beginning until the
    budget ends or is filled up. `passed` is the traffic before it since the price was first made, and `horizon` that in
    which the price gets right: all of the budget's time, longer than a day also where the budget is filled up each day.
    """

    spent: float
    left: float
    elapsed: float
    to_come: float
    passed: float
    horizon: float


def next_price(price: float, step: PacingStep) -> float:
    """Return the price after a step; the same one where nothing was due."""
    due = step.left * step.elapsed / step.to_come if step.to_come > 0 else 0.0
    if not due > 0:
        return price
    rate = RATE * min(FASTEST, 1 + EARLY / max(step.passed / step.horizon, 1e-9))
    change = rate * step.elapsed / step.horizon * (step.spent / due - 1)
    return min(LARGEST_PRICE, max(LEAST_PRICE, price * exp(min(LARGEST_STEP, max(-LARGEST_STEP, change)))))


def hourly_profile(counts: Sequence[float]) -> tuple[float, ...]:
    """Return the traffic of each hour of the day (24,), 1 on average; few counts (24,) say little."""
    # Half a day of even traffic is added, or a quiet hour of a new shop would get nothing.
    mean = sum(counts) / len(counts)
    added = max(1.0, mean / 2)
    return tuple((count + added) / (mean + added) for count in counts)


def expected_traffic(profile: Sequence[float], begin: int, end: int) -> float:
    """Return the traffic between two times (epoch ms, UTC), in average hours, by the profile of a day (24,)."""
    if end <= begin:
        return 0.0
    days, rest = divmod(end - begin, DAY_MS)
    total, time = days * sum(profile), begin
    while rest > 0:
        length = min(rest, HOUR_MS - time % HOUR_MS)
        total += profile[time // HOUR_MS % 24] * length / HOUR_MS
        time, rest = time + length, rest - length
    return total
