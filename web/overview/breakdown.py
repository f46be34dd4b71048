"""Parts of the overview: which methods sell, where checkouts end, how long they take, and who the customers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bandits.evidence.delay import EDGES
from engine.metrics.dashboard import SEGMENTS, Dashboard
from engine.metrics.hour_fold import BINS_OF_A_DELAY
from engine.statistics.metric_totals import MetricTotals
from web.charts.candidate_charts import Spec
from web.charts.candidate_names import CandidateNames
from web.charts.metric_charts import TimeBar, times_to_pay
from web.overview.cards import duration
from web.reader import FigureReader

SEGMENT_NAMES = {"device": "Device", "country": "Country", "visit": "Visit"}
VALUE_NAMES = {
    "desktop": "Desktop",
    "mobile": "Mobile",
    "tablet": "Tablet",
    "new": "New customers",
    "returning": "Returning customers",
    "guest": "Guests",
}
LEAST = 50
MOST_COUNTRIES = 8
REST = 0.005
"""A bar of a smaller share is not drawn at the ends."""


@dataclass(frozen=True)
class MethodShare:
    """A candidate: its `share` of the purchases, and its share of first places, 0 to 1, with the sums of both.

    `is_deleted` candidates have no page.
    """

    id: str
    label: str
    is_deleted: bool
    colour: int
    share: float
    first_share: float
    totals: MetricTotals


@dataclass(frozen=True)
class CheckoutStep:
    """A step of a checkout with the share of all checkouts that reach it."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class CustomerPart:
    """Customers with something in common; `share` is of all checkouts, `conversion` None where there are too few."""

    kind: str
    name: str
    decisions: int
    share: float
    conversion: float | None


@dataclass(frozen=True)
class BreakdownView:
    """All parts with their messages; a part without rows is left out. `offers` says what offers cost, or nothing."""

    methods_title: str
    methods: Sequence[MethodShare]
    funnel_title: str
    funnel: Sequence[CheckoutStep]
    times_title: str
    times: Spec | None
    bars: Sequence[TimeBar]
    segments_title: str
    segments: Sequence[CustomerPart]
    offers: str


def breakdown_of(reader: FigureReader, dashboard: Dashboard, names: CandidateNames) -> BreakdownView:
    """Return the parts of a dashboard."""
    methods, funnel = _methods(reader, dashboard, names), _funnel(dashboard.totals)
    segments, bars = _segments(reader, dashboard), _bars(reader, dashboard.parts["delay"])
    return BreakdownView(
        methods_title=_methods_title(reader, methods),
        methods=methods,
        funnel_title=_funnel_title(reader, funnel),
        funnel=funnel,
        times_title=_times_title(reader, dashboard.parts["delay"]),
        times=times_to_pay(bars, show=reader.show) if len(bars) > 1 else None,
        bars=bars,
        segments_title=_segments_title(reader, segments),
        segments=segments,
        offers=_offers(reader, dashboard.totals),
    )


def _methods(reader: FigureReader, dashboard: Dashboard, names: CandidateNames) -> list[MethodShare]:
    parts = dashboard.parts["candidate"]
    purchases = sum(each.converted for each in parts.values())
    firsts = sum(each.decisions for each in parts.values())
    rows = [
        MethodShare(
            name,
            names[name],
            name not in names.labels,
            names.colours.get(name, 0),
            each.converted / purchases,
            each.decisions / firsts if firsts else 0.0,
            each,
        )
        for name, each in parts.items()
        if purchases and name
    ]
    return sorted(rows, key=lambda row: (-row.share, row.label))


def _methods_title(reader: FigureReader, rows: Sequence[MethodShare]) -> str:
    if not rows:
        return "No purchases yet"
    return f"{reader.show.percent(rows[0].share, digits=0)} of purchases are by {rows[0].label}"


def _funnel(totals: MetricTotals) -> list[CheckoutStep]:
    """Return the steps that are reported at all."""
    steps = [
        ("Checkouts", totals.decisions),
        ("Shown", totals.shown),
        ("Selected", totals.selected),
        ("Purchased", totals.converted),
    ]
    return [CheckoutStep(name, count, count / totals.decisions) for name, count in steps if count and totals.decisions]


def _funnel_title(reader: FigureReader, steps: Sequence[CheckoutStep]) -> str:
    """Name the step at which most checkouts end."""
    if len(steps) < 2:
        return "No outcomes yet"
    losses = [(before.count - after.count, before.name, after.name) for before, after in pairwise(steps)]
    lost, before, after = max(losses)
    share = reader.show.percent(max(0, lost) / steps[0].count, digits=0)
    return f"{share} of checkouts end between “{before.lower()}” and “{after.lower()}”"


def _bars(reader: FigureReader, parts: Mapping[str, MetricTotals]) -> list[TimeBar]:
    """Return the share of purchases by time, without the far ends."""
    total = sum(each.timed for each in parts.values())
    counts = {int(bin): each.timed for bin, each in parts.items()}
    shown = [bin for bin, count in counts.items() if count / total >= REST] if total else []
    return [
        TimeBar(
            name=duration(reader, _edge(bin)),
            share=counts.get(bin, 0) / total,
            text=f"{reader.show.percent(counts.get(bin, 0) / total)} took {duration(reader, _edge(bin))} to "
            f"{duration(reader, _edge(bin + 1))}",
        )
        for bin in (range(min(shown), max(shown) + 1) if shown else ())
    ]


def _edge(bin: int) -> int:
    return EDGES[min(bin * BINS_OF_A_DELAY, len(EDGES) - 1)]


def median_time(parts: Mapping[str, MetricTotals]) -> float | None:
    """Return the time within which half of the customers pay, in milliseconds, evenly spread inside each bin."""
    total, reached = sum(each.timed for each in parts.values()), 0
    for bin, each in sorted((int(bin), each) for bin, each in parts.items()):
        if reached + each.timed >= total / 2 and each.timed:
            inside = (total / 2 - reached) / each.timed
            return _edge(bin) + inside * (_edge(bin + 1) - _edge(bin))
        reached += each.timed
    return None


def _times_title(reader: FigureReader, parts: Mapping[str, MetricTotals]) -> str:
    median = median_time(parts)
    return "" if median is None else f"Half of the customers pay within {duration(reader, median)}"


def _segments(reader: FigureReader, dashboard: Dashboard) -> list[CustomerPart]:
    rows = []
    for kind in SEGMENTS:
        parts = sorted(dashboard.parts[kind].items(), key=lambda part: -part[1].decisions)
        for value, totals in parts[:MOST_COUNTRIES]:
            if value and totals.decisions:
                rows.append(
                    CustomerPart(
                        SEGMENT_NAMES[kind],
                        reader.show.country(value) if kind == "country" else VALUE_NAMES.get(value, value),
                        totals.decisions,
                        totals.decisions / dashboard.totals.decisions,
                        totals.value("conversion") if totals.decisions >= LEAST else None,
                    )
                )
    return rows


def _segments_title(reader: FigureReader, rows: Sequence[CustomerPart]) -> str:
    rated = [row for row in rows if row.conversion is not None]
    if len(rated) < 2:
        return "Customers"
    least = min(rated, key=lambda row: row.conversion or 0.0)
    return f"Fewest purchases: {least.name}, {reader.show.percent(least.conversion)} of checkouts"


def _offers(reader: FigureReader, totals: MetricTotals) -> str:
    if not totals.redeemed:
        return ""
    cost = reader.show.money(totals.cost, reader.merchant.currency)
    return f"{reader.show.count(totals.redeemed, 'offer')} redeemed, which took {cost} off."
