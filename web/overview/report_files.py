"""A report as a file: CSV for spreadsheets, JSON for programs, PDF for people."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import msgspec

from engine.metrics.dashboard import Dashboard
from engine.model.documents.metric import Quantity
from rules.language.codes import decimals_of
from web.csv_text import Rows, csv_text
from web.overview.overview import Overview
from web.overview.report import Detail, OverviewReport, report_of
from web.overview.report_pdf import paper_of

ReportKind = Literal["csv", "json", "pdf"]
REPORT_KINDS: tuple[ReportKind, ...] = get_args(ReportKind)
DETAILS: tuple[Detail, ...] = get_args(Detail)
MEDIA: Mapping[ReportKind, str] = {"csv": "text/csv", "json": "application/json", "pdf": "application/pdf"}
HEAD = ("part", "name", "figure", "unit", "value", "compared_with", "beside", "difference", "low", "high", "verdict")
OF_A_SPAN: Mapping[str, Quantity] = {
    "decisions": "number", "shown": "number", "selected": "number", "converted": "number",
    "revenue": "money", "margin": "money",
}  # fmt: skip


class ReportFile(NamedTuple):
    """A file to download or to send."""

    name: str
    media: str
    content: bytes


async def report_file(overview: Overview, kind: ReportKind, detail: Detail) -> ReportFile:
    """Return the report of an overview as a file; a PDF takes some seconds of CPU, beside the event loop."""
    dashboard = await overview.dashboard()
    report = report_of(overview, dashboard, detail)
    name = f"{overview.placement.key}-{overview.period.first}-{overview.period.last}-{detail}.{kind}"
    return ReportFile(name, MEDIA[kind], await _content(overview, dashboard, report, kind))


async def _content(overview: Overview, dashboard: Dashboard, report: OverviewReport, kind: ReportKind) -> bytes:
    match kind:
        case "json":
            return msgspec.json.encode(report)
        case "csv":
            return csv_text(rows_of(report)).encode()
        case "pdf":
            logo = await overview.reader.engine.logos.of_reports(overview.reader.merchant.id)
            return await asyncio.to_thread(paper_of, overview, dashboard, report, logo)


def rows_of(report: OverviewReport) -> Rows:
    """Return one row for each figure. Money is in whole units of the currency, times are in seconds."""
    scale = _Scale(report.currency)
    rows: list[tuple[object, ...]] = [HEAD]
    for figure in report.figures:
        values = (figure.value, figure.beside, figure.difference, figure.low, figure.high)
        value, *others = (scale.of(figure.quantity, each) for each in values)
        unit = scale.unit(figure.quantity)
        rows.append(
            ("summary", figure.title, figure.metric, unit, value, report.compared_with, *others, figure.verdict)
        )
    for step in report.steps:
        rows += [("step", step.name, "count", "number", step.count), ("step", step.name, "share", "share", step.share)]
    for span in report.spans:
        for name, quantity in OF_A_SPAN.items():
            value = scale.of(quantity, getattr(span.sums, name))
            rows.append(("time", span.name, name, scale.unit(quantity), value))
    for method in report.methods:
        rows.append(("method", method.label, "purchases", "number", method.purchases))
        rows.append(("method", method.label, "share of purchases", "share", method.share))
        rows.append(("method", method.label, "revenue", report.currency, scale.of("money", method.revenue)))
        rows.append(("method", method.label, "share of first places", "share", method.first_share))
    for segment in report.segments:
        label = f"{segment.kind}: {segment.name}"
        rows.append(("customers", label, "decisions", "number", segment.decisions))
        rows.append(("customers", label, "conversion", "share", segment.conversion))
    return [row + ("",) * (len(HEAD) - len(row)) for row in rows]


class _Scale:
    """Turns stored values into what people count in."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def unit(self, quantity: Quantity) -> str:
        return {"money": self._currency, "time": "seconds"}.get(quantity, quantity)

    def of(self, quantity: Quantity, value: float | None) -> float | int | None:
        if value is None or quantity in ("share", "number"):
            return value
        digits = 3 if quantity == "time" else decimals_of(self._currency)
        return round(value / float(10**digits), digits)
