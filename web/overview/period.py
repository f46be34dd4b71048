"""What the overview's address asks for: a range of days, a comparison, a placement and a metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from engine.metrics.dashboard import SHOWN, TimeSpan
from engine.model.documents.metric import MetricName
from engine.model.timestamps import DAY, HOUR
from web.format import Show

DAYS = {"today": 1, "7": 7, "30": 30, "90": 90}
RANGES = {"today": "Today", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "custom": "Other days"}
COMPARISONS = {"holdback": "The holdback", "before": "The time before"}
USUAL = {"range": "30", "compare": "holdback", "placement": "", "metric": "conversion", "first": "", "last": ""}
MOST_DAYS = 92
"""The sums of hours reach back twice as far, so that there is a time before."""


@dataclass(frozen=True)
class OverviewPeriod:
    """The period shown. `first` and `last` are ISO days, `problem` is why those that were asked for do not count."""

    range: str
    compare: str
    placement: str
    metric: MetricName
    first: str
    last: str
    days: int
    span: TimeSpan
    problem: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, Any], show: Show) -> OverviewPeriod:
        """Return what an address asks for; unknown values count as the usual ones."""
        values = {name: str(parameters.get(name) or usual) for name, usual in USUAL.items()}
        metric = next((name for name in SHOWN if name == values["metric"]), SHOWN[0])
        today = show.date_of(show.now)
        first, last, problem = today, today, ""
        if values["range"] == "custom":
            first, last, problem = _days_of(values["first"], values["last"], today)
        elif values["range"] in DAYS:
            first = today - timedelta(days=DAYS[values["range"]] - 1)
        else:
            values["range"] = USUAL["range"]
            first = today - timedelta(days=DAYS[values["range"]] - 1)
        days = (last - first).days + 1
        end = min(show.now, day_begin(show, last + timedelta(days=1)))
        return cls(
            values["range"],
            values["compare"] if values["compare"] in COMPARISONS else USUAL["compare"],
            values["placement"],
            metric,
            first.isoformat(),
            last.isoformat(),
            days,
            TimeSpan(day_begin(show, first), end, days * DAY),
            problem,
        )

    @property
    def query(self) -> str:
        """Return the address's query with its question mark, without what is usual; empty where all is."""
        own = (
            USUAL if self.range == "custom" else {name: USUAL[name] for name in USUAL if name not in ("first", "last")}
        )
        query = urlencode({name: value for name in own if (value := getattr(self, name)) != USUAL[name]})
        return f"?{query}" if query else ""

    def with_metric(self, metric: MetricName) -> str:
        """Return the query of the same page with another metric over time."""
        return replace(self, metric=metric).query or "?"

    @property
    def in_words(self) -> str:
        """Return the range as in “today” or “in the last 7 days”."""
        if self.range == "today":
            return "today"
        if self.days == 1:
            return "on this day"
        return f"in these {self.days} days" if self.range == "custom" else f"in the last {self.days} days"

    @property
    def before_in_words(self) -> str:
        """Return what it is compared with, as in “yesterday until this time”."""
        if self.range == "today":
            return "yesterday until this time"
        return "the day before" if self.days == 1 else f"the {self.days} days before"


def day_begin(show: Show, day: date) -> int:
    """Return the begin of the hour of UTC in which a day of the reader begins, in epoch ms: sums are by such hours."""
    return show.midnight(day) // HOUR * HOUR


def _days_of(first: str, last: str, today: date) -> tuple[date, date, str]:
    """Return the days that were asked for, or the last 30 with the reason why not."""
    usual = today - timedelta(days=DAYS[USUAL["range"]] - 1), today
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        return *usual, "" if not first and not last else "Choose both days. The page shows the last 30 days."
    if begin > end or begin > today:
        return *usual, "The first day must not be after the last one. The page shows the last 30 days."
    if (end - begin).days >= MOST_DAYS or (today - begin).days >= MOST_DAYS:
        return *usual, f"Choose days among the last {MOST_DAYS}. The page shows the last 30 days."
    return begin, min(end, today), ""
