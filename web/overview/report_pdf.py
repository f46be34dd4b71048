"""A report as a PDF: the message and the figures first, then charts and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.metrics.dashboard import Dashboard
from engine.model.documents.metric import METRICS, MetricName
from web.charts.pdf_file import Paper, PaperPart, pdf_file
from web.overview.cards import TITLES, amount, cards_of
from web.overview.course import HOURLY_DAYS, course_of
from web.overview.overview import Overview
from web.overview.report import OverviewReport

CHARTS: tuple[MetricName, ...] = ("conversion", "revenue")
INTERVALS = (
    "Customers are held back at random. A difference stands with its 95% interval, which counts a customer who comes "
    "back once. “Not clear” means that the difference may be chance."
)


def paper_of(overview: Overview, dashboard: Dashboard, report: OverviewReport, logo: bytes) -> bytes:
    """Set a report on paper. It takes some seconds of CPU: call it beside the event loop."""
    show, period = overview.reader.show, overview.period
    last = show.day(period.span.end - 1)
    days = show.day(period.span.begin) if period.days == 1 else f"{show.day(period.span.begin)} to {last}"
    side = ", test data" if report.side == "test" else ""
    return pdf_file(
        Paper(
            title=f"{report.merchant}: {report.placement_name}",
            about=f"{days}, compared with {report.compared_with}. Times are in {show.zone.key}{side}.",
            verdict=report.headline,
            detail=f"{show.number(report.decisions)} checkouts. Amounts are in {report.currency}.",
            footer=f"As of {show.moment(show.now)}",
            parts=_parts(overview, dashboard, report),
            logo=logo,
        )
    )


def _parts(overview: Overview, dashboard: Dashboard, report: OverviewReport) -> list[PaperPart]:
    reader, show = overview.reader, overview.reader.show
    cards = [("Figure", "Value", "Verdict", "Compared")]
    cards += [
        (card.title, card.value, card.verdict, card.sentence) for card in cards_of(reader, dashboard, overview.period)
    ]
    steps = [("Step", "Checkouts", "Of all")]
    steps += [(step.name, show.number(step.count), show.percent(step.share)) for step in report.steps]
    methods = [("Method", "Purchases", "Of purchases", "Revenue", "Came first")]
    methods += [
        (row.label, show.number(row.purchases), show.percent(row.share),
         amount(reader, "revenue", row.revenue), show.percent(row.first_share))
        for row in report.methods
    ]  # fmt: skip
    segments = [("Customers", "", "Checkouts", "Of all", "With a purchase")]
    segments += [
        (row.name, row.kind, show.number(row.decisions), show.percent(row.share), show.percent(row.conversion))
        for row in report.segments
    ]
    holds_back = overview.period.compare == "holdback"
    return [
        PaperPart(title="Figures", rows=cards, left=4),
        PaperPart(title="Please note", lines=[*report.notes, *([INTERVALS] if holds_back else [])]),
        *(_chart(overview, dashboard, metric) for metric in CHARTS),
        PaperPart(title="Steps of a checkout", rows=steps),
        PaperPart(title="Methods", rows=methods),
        PaperPart(title="Customers", rows=segments, left=2),
        PaperPart(title="By hour" if overview.period.days <= HOURLY_DAYS else "By day", rows=_spans(overview, report)),
    ]


def _chart(overview: Overview, dashboard: Dashboard, metric: MetricName) -> PaperPart:
    period = replace(overview.period, metric=metric)
    course = course_of(overview.reader, dashboard, period)
    unit = overview.reader.merchant.currency if METRICS[metric].quantity == "money" else ""
    return PaperPart(title=f"{TITLES[metric]} over time{f', {unit}' if unit else ''}", chart=course.chart)


def _spans(overview: Overview, report: OverviewReport) -> Sequence[Sequence[str]]:
    reader, show = overview.reader, overview.reader.show
    rows = [("Time", "Checkouts", "Purchases", "Of checkouts", "Revenue", "Margin")]
    for span in report.spans:
        sums = span.sums
        share = sums.converted / sums.decisions if sums.decisions else None
        revenue, margin = (amount(reader, name, getattr(sums, name)) for name in ("revenue", "margin"))
        rows.append(
            (span.name, show.number(sums.decisions), show.number(sums.converted), show.percent(share), revenue, margin)
        )
    return rows
