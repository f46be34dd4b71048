"""Whether a placement's predictions come true: successes expected beside those that came, by week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bandits.evidence.calibration import WEEK, WeekCalibration
from engine.insights.learning_history import Insight
from engine.model.timestamps import DAY
from web.format import Show


@dataclass(frozen=True)
class CalibrationRow:
    """A week of a candidate, or of all; `verdict` compares what came with what was expected."""

    week: str
    candidate: str
    tries: str
    expected: str
    actual: str
    verdict: str
    kind: str


@dataclass(frozen=True)
class CalibrationView:
    """The weeks, the newest first, and what they say in a sentence."""

    message: str
    is_off: bool
    rows: Sequence[CalibrationRow]


def calibration_view(insight: Insight, show: Show) -> CalibrationView | None:
    """Return what became of predictions; None before a day is complete, and without a model of facts."""
    if not insight.calibration:
        return None
    rows = [_row(week, insight, show) for week in insight.calibration]
    off = sum(bool(week.is_off) for week in insight.calibration)
    if off:
        predictions = show.count(len(rows), "prediction")
        message = f"{show.number(off)} of {predictions} differ from results by more than noise."
    elif all(week.is_off is None for week in insight.calibration):
        message = "Too few results to compare predictions with."
    else:
        message = "No prediction differs from the results by more than noise."
    return CalibrationView(message, off > 0, rows)


def _row(week: WeekCalibration, insight: Insight, show: Show) -> CalibrationRow:
    sums, last_day = week.sums, week.first_day + WEEK - 1
    verdict, kind = _verdict(week)
    return CalibrationRow(
        week=f"{show.day(week.first_day * DAY)} to {show.day(last_day * DAY)}",
        candidate=insight.labels.get(week.arm, week.arm) if week.arm else "All",
        tries=show.number(sums.trials),
        expected=f"{show.number(sums.expected)} ({show.percent(sums.expected / sums.trials)})",
        actual=f"{show.number(sums.successes)} ({show.percent(sums.successes / sums.trials)})",
        verdict=verdict,
        kind=kind,
    )


def _verdict(week: WeekCalibration) -> tuple[str, str]:
    if week.is_off is None:
        return "Too few", "plain"
    if not week.is_off:
        return "As expected", "good"
    return ("Predicted too low" if week.z > 0 else "Predicted too high"), "warn"
