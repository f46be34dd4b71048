"""The four cards of the overview: a value, what it is compared with, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from engine.metrics.dashboard import Dashboard
from engine.model.documents.metric import METRICS, MetricName, better_by
from engine.statistics.metric_totals import MetricTotals
from web.overview.period import OverviewPeriod
from web.reader import FigureReader

TITLES: dict[MetricName, str] = {
    "conversion": "Checkouts with a purchase",
    "revenue": "Revenue",
    "margin": "Margin",
    "checkout_time": "Time to pay",
    "order_value": "Average order",
}
TOTALS: tuple[MetricName, ...] = ("revenue", "margin")
"""Metrics whose card shows the sum, because that is what a merchant counts."""
NO_HOLDBACK = "No holdback"
MINUS = "−\N{WORD JOINER}"
"""No line ends between a minus and its amount."""
LEAST_BEFORE = 0.1
"""A time before with fewer checkouts, as a share of those now, is mostly from before the beginning."""


@dataclass(frozen=True)
class MetricDifference:
    """The baseline of a metric, in its own units, and the distance from it with its 95% interval.

    Of revenue and margin, the difference is that of all personalized checkouts together, and there is no other value to
    stand `beside`. The time before has no interval.
    """

    beside: float | None
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class MetricCard:
    """A metric of the span, in numbers (minor units, shares of 0 to 1, milliseconds) and in words.

    `difference` is None where there is nothing to compare with, or too little of it.
    """

    metric: MetricName
    title: str
    amount: float | None
    value: str
    verdict: str
    kind: str
    sentence: str
    difference: MetricDifference | None


def cards_of(reader: FigureReader, dashboard: Dashboard, period: OverviewPeriod) -> list[MetricCard]:
    """Return the cards; time to pay gives way to the average order where nobody reports what was shown."""
    last: MetricName = "checkout_time" if dashboard.totals.timed else "order_value"
    return [_card(reader, dashboard, period, metric) for metric in ("conversion", *TOTALS, last)]


def headline(reader: FigureReader, dashboard: Dashboard, period: OverviewPeriod) -> str:
    """Return the page's message: what personalization brought, or why nobody can tell."""
    totals, show = dashboard.totals, reader.show
    if not totals.decisions:
        return f"No checkouts {period.in_words}"
    lift = dashboard.lifts.get("revenue")
    if lift is not None and totals.revenue:
        low, high = (_money(reader, end * lift.decisions) for end in (lift.low, lift.high))
        if lift.is_sure:
            way = "brought" if lift.difference > 0 else "cost"
            total = _money(reader, abs(lift.difference) * lift.decisions)
            return f"Personalization {way} {total} {period.in_words} (between {low} and {high})"
    lift = dashboard.lifts.get("conversion")
    if lift is not None and lift.is_sure:
        more = "more" if lift.difference > 0 else "fewer"
        return f"Personalization brings {reader.show.points(abs(lift.difference))} points {more} purchases"
    share = show.percent(totals.value("conversion"))
    return f"{share} of {show.number(totals.decisions)} checkouts end in a purchase {period.in_words}"


def amount(reader: FigureReader, metric: MetricName, value: float | None) -> str:
    """Return a value of a metric with its unit."""
    if value is None:
        return "–"
    match METRICS[metric].quantity:
        case "share":
            return reader.show.percent(value)
        case "money":
            return _money(reader, value)
        case "time":
            return duration(reader, value)
        case "number":
            return reader.show.number(value, digits=2)


def duration(reader: FigureReader, milliseconds: float) -> str:
    """Return a time in words: 45 s, 2 min 5 s."""
    seconds = round(milliseconds / 1000)
    if abs(seconds) < 100:
        digits = 1 if abs(milliseconds) < 10_000 else 0
        return f"{reader.show.number(milliseconds / 1000, digits=digits)} s"
    return f"{reader.show.number(seconds // 60)} min {seconds % 60} s"


def _card(reader: FigureReader, dashboard: Dashboard, period: OverviewPeriod, metric: MetricName) -> MetricCard:
    value = _value(metric, dashboard.totals)
    if period.compare == "before":
        difference = _change(metric, dashboard)
        verdict, kind, sentence = _beside_before(reader, value, difference, period)
    else:
        difference = _lift(metric, dashboard)
        verdict, kind, sentence = _beside_holdback(reader, metric, dashboard, difference)
    text = _money(reader, value or 0.0) if metric in TOTALS else amount(reader, metric, value)
    return MetricCard(metric, TITLES[metric], value, text, verdict, kind, sentence, difference)


def _lift(metric: MetricName, dashboard: Dashboard) -> MetricDifference | None:
    """Return the difference from held-back customers."""
    lift = dashboard.lifts.get(metric)
    if lift is None:
        return None
    scale = lift.decisions if metric in TOTALS else 1
    value, low, high = (scale * each for each in (lift.difference, lift.low, lift.high))
    return MetricDifference(None if metric in TOTALS else lift.held_back, value, low, high)


def _change(metric: MetricName, dashboard: Dashboard) -> MetricDifference | None:
    """Return the difference from the time before."""
    now, before = dashboard.totals, dashboard.before
    new, old = (_value(metric, totals) for totals in (now, before))
    if new is None or not old or before.decisions < LEAST_BEFORE * now.decisions:
        return None
    return MetricDifference(old, new - old)


def _beside_holdback(
    reader: FigureReader, metric: MetricName, dashboard: Dashboard, difference: MetricDifference | None
) -> tuple[str, str, str]:
    """Return verdict, kind of badge and sentence of the comparison with held-back customers."""
    if not dashboard.lifts:
        return NO_HOLDBACK, "plain", "Nobody can tell what it would be without personalization."
    lift = dashboard.lifts.get(metric)
    if lift is None or difference is None:
        return "Too early", "plain", "Too few held-back customers to compare with."
    value, low, high = difference.value, difference.low or 0.0, difference.high or 0.0
    if not lift.is_sure:
        ends = f"{_plain(reader, metric, low)} to {_plain(reader, metric, high)}"
        return "Not clear", "plain", f"The difference from the holdback may be chance: {ends}."
    is_better = better_by(metric, value) > 0
    more = "more" if value > 0 else "less"
    value, low, high = (value, low, high) if value > 0 else (-value, -high, -low)
    ends = f"{_plain(reader, metric, low)} to {_plain(reader, metric, high)}"
    beside = "than without personalization" if metric in TOTALS else "than the holdback"
    unit = " points" if METRICS[metric].quantity == "share" else ""
    text = f"{_plain(reader, metric, value)}{unit} {more} {beside} ({ends})."
    return ("Better" if is_better else "Worse"), ("good" if is_better else "bad"), text


def _plain(reader: FigureReader, metric: MetricName, difference: float) -> str:
    """Return a difference with a minus where it is below 0; shares in percentage points, without their unit."""
    sign, size = MINUS if difference < 0 else "", abs(difference)
    if METRICS[metric].quantity == "share":
        return f"{sign}{reader.show.points(size)}"
    return f"{sign}{amount(reader, metric, size)}"


def _beside_before(
    reader: FigureReader, value: float | None, difference: MetricDifference | None, period: OverviewPeriod
) -> tuple[str, str, str]:
    """Return verdict, kind of badge and sentence of the comparison with the time before."""
    if value is None or difference is None or not difference.beside:
        return "Too little", "plain", f"There are too few checkouts in {period.before_in_words} to compare with."
    change = value / difference.beside - 1
    verdict = "Higher" if change > 0 else "Lower" if change < 0 else "The same"
    return verdict, "info", f"{reader.show.change(change)} against {period.before_in_words}."


def _value(metric: MetricName, totals: MetricTotals) -> float | None:
    return float(getattr(totals, metric)) if metric in TOTALS else totals.value(metric)


def _money(reader: FigureReader, value: float) -> str:
    return reader.show.rounded_money(value, reader.merchant.currency)


def notes_of(reader: FigureReader, dashboard: Dashboard, period: OverviewPeriod) -> Sequence[str]:
    """Return what the cards cannot tell."""
    notes = []
    if period.compare == "before":
        notes.append(
            "A comparison by time cannot tell what personalization did: seasons, prices and campaigns changed as well, "
            "and purchases of the last hours are still to come. The holdback can."
        )
    begin = reader.show.midnight(date.fromisoformat(period.first))
    if period.span.begin != begin:
        clock = reader.show.clock(period.span.begin)
        notes.append(
            f"Figures are kept by hours of UTC, so days begin at {clock} here, not at {reader.show.clock(begin)}."
        )
    foreign = {
        currency: totals
        for currency, totals in dashboard.parts["currency"].items()
        if currency != reader.merchant.currency
    }
    if foreign:
        amounts = " and ".join(
            reader.show.rounded_money(each.revenue, currency) for currency, each in sorted(foreign.items())
        )
        notes.append(f"Purchases of {amounts} in other currencies are not in these amounts.")
    return notes
