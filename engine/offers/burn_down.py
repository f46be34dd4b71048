"""How a budget is used up over time, and when it will be at the pace of the last days. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.model.timestamps import DAY

PACE_DAYS = 7
MOST_DAYS = 90
LONGEST_FORECAST_DAYS = 3 * 366


class DayOfSpending(NamedTuple):
    """The amount newly taken from a budget on an epoch day, less what came back, and the part spent for good."""

    taken: int
    spent: int


class BurnDown(NamedTuple):
    """The amounts left at moments (epoch ms), the oldest first, and the spending a day now.

    `used_up_at` is when nothing will be left at this pace; None if nothing was spent lately, or it lies years ahead.
    """

    points: tuple[tuple[int, int], ...]
    pace: float
    used_up_at: int | None


def burn_down(days: Mapping[int, DayOfSpending], *, left: int, started_at: int, now: int) -> BurnDown:
    """Return the course of a budget of which `left` is left now, given its days since `started_at`.

    The pace is what was spent in the last seven days, or since the start if that is shorter, at least a day.
    """
    today, first = now // DAY, max(started_at // DAY, now // DAY - MOST_DAYS)
    points, rest = [(now, left)], left
    for day in range(today, first - 1, -1):
        rest += days[day].taken if day in days else 0
        points.append((max(day * DAY, started_at), rest))
    length = min(max(now - started_at, DAY), PACE_DAYS * DAY)
    # Days are whole: the part of the first one that lies before the period counts by its length.
    begin = now - length
    spent = sum(row.spent * min(1.0, (day + 1) - begin / DAY) for day, row in days.items() if (day + 1) * DAY > begin)
    pace = max(0.0, spent * DAY / length)
    days_left = left / pace if pace else LONGEST_FORECAST_DAYS
    used_up_at = now + round(days_left * DAY) if days_left < LONGEST_FORECAST_DAYS and left > 0 else None
    return BurnDown(tuple(reversed(points)), pace, used_up_at)
