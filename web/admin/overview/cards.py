"""The four cards of the overview: a value, what it is compared with, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.metrics.dashboard import Dashboard
from engine.model.documents.metric import METRICS, MetricName, better_by
from engine.statistics.metric_totals import MetricTotals
from web.admin.overview.period import OverviewPeriod
from web.admin.placements.performance.period import points
from web.admin.shell.frame import Frame

TITLES: dict[MetricName, str] = {
    "conversion": "Checkouts with a purchase",
    "revenue": "Revenue",
    "margin": "Margin",
    "checkout_time": "Time to pay",
    "order_value": "Average order",
}
TOTALS: tuple[MetricName, ...] = ("revenue", "margin")
"""Metrics whose card shows the sum, because that is what a merchant counts."""
NOBODY = "No holdback"
MINUS = "−\N{WORD JOINER}"
"""No line ends between a minus and its amount."""
LEAST_BEFORE = 0.1
"""A time before with fewer checkouts, as a share of those now, is mostly from before the beginning."""


@dataclass(frozen=True)
class MetricCard:
    """A metric of the span. `href` shows it over time; `act_href` is the page that acts on it."""

    metric: MetricName
    title: str
    value: str
    verdict: str
    kind: str
    sentence: str
    href: str
    act_href: str
    act_name: str
    is_chosen: bool


def cards_of(frame: Frame, dashboard: Dashboard, period: OverviewPeriod, placement: str) -> list[MetricCard]:
    """Return the cards; time to pay gives way to the average order where nobody reports what was shown."""
    last: MetricName = "checkout_time" if dashboard.totals.timed else "order_value"
    return [_card(frame, dashboard, period, metric, placement) for metric in ("conversion", *TOTALS, last)]


def headline(frame: Frame, dashboard: Dashboard, period: OverviewPeriod) -> str:
    """Return the page's message: what personalization brought, or why nobody can tell."""
    totals, show = dashboard.totals, frame.show
    if not totals.decisions:
        return f"No checkouts {period.in_words}"
    lift = dashboard.lifts.get("revenue")
    if lift is not None and totals.revenue:
        low, high = (_money(frame, end * lift.decisions) for end in (lift.low, lift.high))
        if lift.is_sure:
            way = "brought" if lift.difference > 0 else "cost"
            total = _money(frame, abs(lift.difference) * lift.decisions)
            return f"Personalization {way} {total} {period.in_words} (between {low} and {high})"
    lift = dashboard.lifts.get("conversion")
    if lift is not None and lift.is_sure:
        more = "more" if lift.difference > 0 else "fewer"
        return f"Personalization brings {points(frame, abs(lift.difference))} points {more} purchases"
    share = show.percent(totals.value("conversion"))
    return f"{share} of {show.number(totals.decisions)} checkouts end in a purchase {period.in_words}"


def amount(frame: Frame, metric: MetricName, value: float | None) -> str:
    """Return a value of a metric with its unit."""
    if value is None:
        return "–"
    match METRICS[metric].quantity:
        case "share":
            return frame.show.percent(value)
        case "money":
            return _money(frame, value)
        case "time":
            return duration(frame, value)
        case "number":
            return frame.show.number(value, digits=2)


def duration(frame: Frame, milliseconds: float) -> str:
    """Return a time in words: 45 s, 2 min 5 s."""
    seconds = round(milliseconds / 1000)
    if abs(seconds) < 100:
        digits = 1 if abs(milliseconds) < 10_000 else 0
        return f"{frame.show.number(milliseconds / 1000, digits=digits)} s"
    return f"{frame.show.number(seconds // 60)} min {seconds % 60} s"


def _card(frame: Frame, dashboard: Dashboard, period: OverviewPeriod, metric: MetricName, placement: str) -> MetricCard:
    totals = dashboard.totals
    if period.compare == "before":
        verdict, kind, sentence = _beside_before(frame, metric, totals, dashboard.before, period)
    else:
        verdict, kind, sentence = _beside_holdback(frame, metric, dashboard)
    act_href, act_name = _act(frame, metric, placement)
    return MetricCard(
        metric=metric,
        title=TITLES[metric],
        value=_money(frame, getattr(totals, metric))
        if metric in TOTALS
        else amount(frame, metric, totals.value(metric)),
        verdict=verdict,
        kind=kind,
        sentence=sentence,
        href=f"{frame.base}/{period.with_metric(metric)}",
        act_href=act_href,
        act_name=act_name,
        is_chosen=metric == period.metric,
    )


def _act(frame: Frame, metric: MetricName, placement: str) -> tuple[str, str]:
    """Return the page that acts on a metric."""
    inside = f"{frame.base}/placements/{placement}"
    return {
        "conversion": (inside, "Candidates"),
        "revenue": (f"{inside}/learning", "What learning brought"),
        "margin": (f"{inside}/settings", "Margin and fees"),
        "checkout_time": (f"{frame.base}/experiments", "Experiments"),
        "order_value": (f"{frame.base}/offers", "Offers"),
    }[metric]


def _beside_holdback(frame: Frame, metric: MetricName, dashboard: Dashboard) -> tuple[str, str, str]:
    """Return verdict, kind of badge and sentence of the comparison with held-back customers."""
    if not dashboard.lifts:
        return NOBODY, "plain", "Nobody can tell what it would be without personalization."
    lift = dashboard.lifts.get(metric)
    if lift is None:
        return "Too early", "plain", "Too few held-back customers to compare with."
    scale = lift.decisions if metric in TOTALS else 1
    value, low, high = (scale * each for each in (lift.difference, lift.low, lift.high))
    if not lift.is_sure:
        ends = f"{_plain(frame, metric, low)} to {_plain(frame, metric, high)}"
        return "Not clear", "plain", f"The difference from the holdback may be chance: {ends}."
    is_better = better_by(metric, value) > 0
    more = "more" if value > 0 else "less"
    value, low, high = (value, low, high) if value > 0 else (-value, -high, -low)
    ends = f"{_plain(frame, metric, low)} to {_plain(frame, metric, high)}"
    beside = "than without personalization" if metric in TOTALS else "than the holdback"
    unit = " points" if METRICS[metric].quantity == "share" else ""
    said = f"{_plain(frame, metric, value)}{unit} {more} {beside} ({ends})."
    return ("Better" if is_better else "Worse"), ("good" if is_better else "bad"), said


def _plain(frame: Frame, metric: MetricName, difference: float) -> str:
    """Return a difference with a minus where it is below 0; shares in percentage points, without their unit."""
    sign, size = MINUS if difference < 0 else "", abs(difference)
    if METRICS[metric].quantity == "share":
        return f"{sign}{points(frame, size)}"
    return f"{sign}{amount(frame, metric, size)}"


def _beside_before(
    frame: Frame, metric: MetricName, now: MetricTotals, before: MetricTotals, period: OverviewPeriod
) -> tuple[str, str, str]:
    """Return verdict, kind of badge and sentence of the comparison with the time before."""
    new, old = (_value(metric, totals) for totals in (now, before))
    if new is None or not old or before.decisions < LEAST_BEFORE * now.decisions:
        return "Too little", "plain", f"There are too few checkouts in {period.before_in_words} to compare with."
    change = new / old - 1
    verdict = "Higher" if change > 0 else "Lower" if change < 0 else "The same"
    return verdict, "info", f"{frame.show.change(change)} against {period.before_in_words}."


def _value(metric: MetricName, totals: MetricTotals) -> float | None:
    return float(getattr(totals, metric)) if metric in TOTALS else totals.value(metric)


def _money(frame: Frame, value: float) -> str:
    return frame.show.rounded_money(value, frame.merchant.currency)


def notes_of(frame: Frame, dashboard: Dashboard, period: OverviewPeriod) -> Sequence[str]:
    """Return what the cards cannot tell."""
    notes = []
    if period.compare == "before":
        notes.append(
            "A comparison by time cannot tell what personalization did: seasons, prices and campaigns changed as well, "
            "and purchases of the last hours are still to come. The holdback can."
        )
    foreign = {
        currency: totals
        for currency, totals in dashboard.parts["currency"].items()
        if currency != frame.merchant.currency
    }
    if foreign:
        amounts = " and ".join(
            frame.show.rounded_money(each.revenue, currency) for currency, each in sorted(foreign.items())
        )
        notes.append(f"Purchases of {amounts} in other currencies are not in these amounts.")
    return notes
