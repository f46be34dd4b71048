"""Describe the forecasts of versions and their outcomes in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.previews.estimation.forecast import ForecastOutcome
from engine.previews.forecasts import Forecast, count_correct
from web.admin.changes.preview_report import ReportPhrasing
from web.admin.shell.frame import Frame

AGAINST = {
    "holdback": "against the change of customers in the holdback",
    "before": "against the time before; seasons and sales are part of it",
}


@dataclass(frozen=True)
class ForecastCell:
    """The forecast, its outcome, and a badge: its text and kind."""

    expected: str
    outcome: str
    mark: str
    kind: str


def forecast_cell(frame: Frame, forecast: Forecast) -> ForecastCell:
    """Say what a preview expected of a version, and the outcome."""
    expected, phrasing = forecast.expected, ReportPhrasing(frame.show, frame.merchant.currency)
    if expected.refused:
        return ForecastCell("The preview could not estimate an effect.", "", "", "")
    between = phrasing.between(forecast.reward, expected.low, expected.high, sign=True, word="to")
    text = f"{between} expected"
    outcome = forecast.outcome
    if outcome is None and forecast.is_final:
        return ForecastCell(text, "Not compared with outcomes.", "", "")
    if outcome is None or outcome.holds is None:
        return ForecastCell(text, "Too few results so far.", "Too early", "plain")
    mark, kind = ("As expected", "good") if outcome.holds else ("Not as expected", "warn")
    return ForecastCell(text, _outcome_text(phrasing, forecast.reward, outcome, is_final=forecast.is_final), mark, kind)


def forecast_agreement(forecasts: Sequence[Forecast]) -> str:
    """Say how many forecasts held; empty where none can be judged."""
    right, judged = count_correct(forecasts)
    if not judged:
        return ""
    return f"{right} of {judged} forecasts agree with the actual change. About 95 of 100 should."


def _outcome_text(phrasing: ReportPhrasing, reward: str, outcome: ForecastOutcome, *, is_final: bool) -> str:
    change = phrasing.change(reward, outcome.value)
    between = phrasing.between(reward, outcome.low, outcome.high, sign=True, word="to")
    so_far = "" if is_final else " so far"
    return f"{change} measured{so_far} ({between}), {AGAINST[outcome.against]}"
