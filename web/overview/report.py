"""The overview of a placement as data: the numbers of the page, from the functions that the page shows."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.metrics.dashboard import Dashboard
from engine.model.documents.metric import METRICS, MetricName, Quantity
from engine.model.timestamps import rfc3339
from engine.statistics.metric_totals import MetricTotals
from web.overview.breakdown import breakdown_of
from web.overview.cards import MetricCard, cards_of, headline, notes_of
from web.overview.course import HOURLY_DAYS, sums_by_step
from web.overview.overview import Overview

Detail = Literal["summary", "detailed"]


class MetricSums(msgspec.Struct, frozen=True):
    """Sums over decisions; amounts in minor units of the merchant's currency, `time_ms` from shown to converted."""

    decisions: int
    fallbacks: int
    shown: int
    selected: int
    converted: int
    refunded: int
    redeemed: int
    revenue: int
    margin: int
    cost: int
    timed: int
    time_ms: int

    @classmethod
    def of(cls, totals: MetricTotals) -> MetricSums:
        return cls(**totals._asdict())


class ReportFigure(msgspec.Struct, frozen=True):
    """A metric and what it is compared with. Shares are 0 to 1, money is in minor units, times are in milliseconds.

    `beside` is the value that it is compared with; null for revenue and margin beside the holdback, where `difference`
    is that of all personalized checkouts together. `low` and `high` are the ends of the 95% interval of the difference,
    null beside the time before.
    """

    metric: MetricName
    title: str
    quantity: Quantity
    value: float | None
    verdict: str
    sentence: str
    beside: float | None
    difference: float | None
    low: float | None
    high: float | None


class ReportStep(msgspec.Struct, frozen=True):
    """A step of a checkout, and the share of all checkouts that reach it."""

    name: str
    count: int
    share: float


class ReportSpan(msgspec.Struct, frozen=True):
    """The sums of a day, or of an hour where the report covers at most two days; it begins at `begin`."""

    begin: str
    name: str
    sums: MetricSums


class ReportMethod(msgspec.Struct, frozen=True):
    """A candidate: its purchases and their share of all purchases, and how often it came first."""

    id: str
    label: str
    purchases: int
    share: float
    revenue: int
    first_places: int
    first_share: float


class ReportSegment(msgspec.Struct, frozen=True):
    """Customers with something in common; `conversion` is null where there are too few of them."""

    kind: str
    name: str
    decisions: int
    share: float
    conversion: float | None


class OverviewReport(msgspec.Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """How a placement did from an instant on and before another, in the reader's time zone.

    A summary leaves `spans`, `methods` and `segments` empty.
    """

    merchant: str
    side: Literal["live", "test"]
    placement: str
    placement_name: str
    currency: str
    timezone: str
    since: str
    until: str
    made_at: str
    compared_with: Annotated[str, Meta(description="What the figures are compared with, in words.")]
    headline: str
    decisions: int
    figures: list[ReportFigure]
    notes: list[str]
    steps: list[ReportStep]
    spans: list[ReportSpan]
    methods: list[ReportMethod]
    segments: list[ReportSegment]


def report_of(overview: Overview, dashboard: Dashboard, detail: Detail) -> OverviewReport:
    """Return the report of an overview's sums."""
    reader, period, show = overview.reader, overview.period, overview.reader.show
    parts = breakdown_of(reader, dashboard, overview.names)
    is_detailed = detail == "detailed"
    return OverviewReport(
        merchant=reader.merchant.name,
        side=reader.merchant.mode,
        placement=overview.placement.key,
        placement_name=overview.placement.name,
        currency=reader.merchant.currency,
        timezone=show.zone.key,
        since=rfc3339(period.span.begin),
        until=rfc3339(period.span.end),
        made_at=rfc3339(show.now),
        compared_with="the holdback" if period.compare == "holdback" else period.before_in_words,
        headline=headline(reader, dashboard, period),
        decisions=dashboard.totals.decisions,
        figures=[_figure(card) for card in cards_of(reader, dashboard, period)],
        notes=list(notes_of(reader, dashboard, period)),
        steps=[ReportStep(step.name, step.count, step.share) for step in parts.funnel],
        spans=_spans(overview, dashboard) if is_detailed else [],
        methods=[
            ReportMethod(
                row.id,
                row.label,
                row.totals.converted,
                row.share,
                row.totals.revenue,
                row.totals.decisions,
                row.first_share,
            )
            for row in (parts.methods if is_detailed else ())
        ],
        segments=[
            ReportSegment(row.kind, row.name, row.decisions, row.share, row.conversion)
            for row in (parts.segments if is_detailed else ())
        ],
    )


def _figure(card: MetricCard) -> ReportFigure:
    other = card.difference
    return ReportFigure(
        card.metric,
        card.title,
        METRICS[card.metric].quantity,
        card.amount,
        card.verdict,
        card.sentence.replace("\N{WORD JOINER}", ""),
        *((other.beside, other.value, other.low, other.high) if other else (None, None, None, None)),
    )


def _spans(overview: Overview, dashboard: Dashboard) -> list[ReportSpan]:
    show, period = overview.reader.show, overview.period
    sums = sums_by_step(overview.reader, dashboard.hours, period, shift=0)
    return [
        ReportSpan(
            rfc3339(moment),
            show.moment(moment) if period.days <= HOURLY_DAYS else show.date_of(moment).isoformat(),
            MetricSums.of(totals),
        )
        for moment, totals in sorted(sums.items())
    ]
