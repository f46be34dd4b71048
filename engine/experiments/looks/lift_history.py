"""The change of the primary metric day by day. Pure.

A day is stated once, by the first stored look that has all outcomes of the day's exposures. It stays as it was stated
then: later outcomes, such as refunds, change only the days that are stated afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from engine.experiments.adaptive.comparison import MovedTraffic, days_moved
from engine.experiments.comparisons import MetricComparison, VariantTotals, compare
from engine.experiments.looks.schedule import last_hour_of_look, looks_done
from engine.kernel.experiments.shares import HourlyShares
from engine.model.experiment import Experiment
from engine.store.experiments.looks import LookRow
from engine.store.experiments.sums import HOURS_A_DAY, SumRow


class LiftPoint(msgspec.Struct, frozen=True):
    """The primary metric at the end of a day (epoch days), over all matured units until then."""

    day: int
    variant: str
    value: float | None
    control_value: float | None
    lift: float | None
    low: float | None
    high: float | None


class _StoredHistory(msgspec.Struct):
    """The part of a stored look that is read here."""

    history: list[LiftPoint]


_decode = msgspec.json.Decoder(_StoredHistory).decode


def stated_points(look: LookRow | None) -> list[LiftPoint]:
    """Return the points of the days that were over at a look."""
    points = _decode(look.results).history if look is not None else []
    return [point for point in points if look is not None and last_hour_of_day(point.day) <= look.last_hour]


def history_of(
    experiment: Experiment,
    matured: Sequence[SumRow],
    planned: int,
    shares: HourlyShares | None,
    stated: Sequence[LiftPoint],
) -> list[LiftPoint]:
    """Return the stated points, and those of later days by the sums of matured units."""
    first = max((point.day for point in stated), default=-1) + 1
    if shares is not None:
        days = days_moved(MovedTraffic(experiment, matured, shares), planned_units=planned)
        return [*stated, *(_point(day, each) for day, comparisons in days if day >= first for each in comparisons)]
    points = list(stated)
    totals = VariantTotals.of(experiment, ())
    for day, rows in groupby(sorted(matured, key=_day_of), key=_day_of):
        totals = totals.plus(VariantTotals.of(experiment, rows))
        if day >= first:
            points += _points_of(experiment, totals, planned, day)
    return points


def last_hour_of_day(day: int) -> int:
    """Return the last epoch hour of an epoch day."""
    return (day + 1) * HOURS_A_DAY - 1


def _points_of(experiment: Experiment, totals: VariantTotals, planned: int, day: int) -> list[LiftPoint]:
    over = last_hour_of_day(day)
    look = looks_done(experiment, over)
    # Between looks there is no interval that holds.
    look = look if experiment.method != "group_sequential" or last_hour_of_look(experiment, look) == over else 0
    primary = (experiment.primary,)
    compared = compare(experiment, totals, planned_units=planned, metrics=primary, has_chances=False, look=look)
    return [_point(day, each) for each in compared]


def _point(day: int, each: MetricComparison) -> LiftPoint:
    return LiftPoint(day, each.variant, each.value, each.control_value, each.lift, each.low, each.high)


def _day_of(row: SumRow) -> int:
    return row.hour // HOURS_A_DAY
