"""What the sums of the last hours say is wrong, beside the usual of the days before. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np

from engine.statistics.durations import DurationCounts, p95_of
from engine.statistics.metric_totals import MetricTotals

AlarmKind = Literal["fallbacks", "outcomes_stopped", "conversion", "latency"]

LEAST_DECISIONS = 50
FALLBACK_SHARE, LEAST_FALLBACKS = 0.02, 10
STOPPED_HOURS, LEAST_EXPECTED = 3, 15.0
"""If 15 purchases are expected, none happens by chance less than once in three million times."""
USUAL_DAYS, LEAST_DAYS = 28, 7
HOURS_A_DAY = 24
BAND = 4.0
"""Standard deviations of days that a usual day stays within."""
LEAST_CHANGE = 0.1
"""A relative change that is smaller is no alarm, however sure."""

HourTotals = Mapping[int, MetricTotals]
"""Sums of all decisions by epoch hour."""


class Alarm(NamedTuple):
    """An unusual share, since an epoch hour: a share of decisions beside the usual one.

    Of the kind `latency`, the milliseconds that 19 of 20 decisions stay within.
    """

    kind: AlarmKind
    value: float
    usual: float
    since_hour: int


def alarms(hours: HourTotals, *, last: int, window_hours: int) -> list[Alarm]:
    """Return what is wrong in the hours before `last` (epoch hours).

    Purchases of the last `window_hours` are still to come, so these hours say nothing of conversion.
    """
    return [*_fallbacks(hours, last), *_stopped(hours, last), *_conversion(hours, last - window_hours)]


def slow(now: DurationCounts, before: DurationCounts, *, slow_ms: int, since_hour: int) -> Iterator[Alarm]:
    """Yield an alarm if more than one decision in 20 took longer than `slow_ms`."""
    p95 = p95_of(now)
    if sum(now.values()) >= LEAST_DECISIONS and p95 > slow_ms:
        yield Alarm("latency", p95, p95_of(before), since_hour)


def _fallbacks(hours: HourTotals, last: int) -> Iterator[Alarm]:
    """Yield an alarm if many answers of the last hours are fallbacks."""
    first = last - STOPPED_HOURS
    now = _between(hours, first, last)
    share = now.fallbacks / now.decisions if now.decisions else 0.0
    if now.fallbacks >= LEAST_FALLBACKS and share >= FALLBACK_SHARE:
        before = _between(hours, first - USUAL_DAYS * HOURS_A_DAY, first)
        usual = before.fallbacks / before.decisions if before.decisions else 0.0
        yield Alarm("fallbacks", share, usual, first)


def _stopped(hours: HourTotals, last: int) -> Iterator[Alarm]:
    """Yield an alarm if no purchase is reported of decisions that are an hour to some hours old."""
    end = last - 1
    first = end - STOPPED_HOURS
    now, usual = _between(hours, first, end), _conversion_of(_between(hours, first - 7 * HOURS_A_DAY, first))
    if usual is not None and not now.converted and now.decisions * usual >= LEAST_EXPECTED:
        yield Alarm("outcomes_stopped", 0.0, usual, first)


def _conversion(hours: HourTotals, end: int) -> Iterator[Alarm]:
    """Yield an alarm if the last 24 hours end in purchases more or less often than the days before ever vary.

    A day varies by its own customers too, so the band has the variance of days and that of the day's decisions.
    """
    days = [_between(hours, end - (back + 1) * HOURS_A_DAY, end - back * HOURS_A_DAY) for back in range(USUAL_DAYS + 1)]
    now, past = days[0], [day for day in days[1:] if day.decisions >= LEAST_DECISIONS]
    if now.decisions < LEAST_DECISIONS or len(past) < LEAST_DAYS:
        return
    shares = np.array([day.converted / day.decisions for day in past])
    usual, share = float(shares.mean()), now.converted / now.decisions
    error = float(np.sqrt(shares.var(ddof=1) + usual * (1 - usual) / now.decisions))
    if not now.converted:
        return
    if abs(share - usual) > max(BAND * error, LEAST_CHANGE * usual):
        yield Alarm("conversion", share, usual, end - HOURS_A_DAY)


def _conversion_of(totals: MetricTotals) -> float | None:
    return totals.converted / totals.decisions if totals.decisions >= LEAST_DECISIONS else None


def _between(hours: HourTotals, first: int, last: int) -> MetricTotals:
    """Return the sums from an hour on and before another."""
    total = MetricTotals()
    for hour in range(first, last):
        if hour in hours:
            total += hours[hour]
    return total
