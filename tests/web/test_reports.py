"""The overview as a file: the numbers of the page, over HTTP and from its download, as CSV, JSON and PDF."""

from __future__ import annotations

import csv
import io
import random
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.clock import now_ms
from engine.model.experiment import NOT_PERSONALIZED
from engine.model.timestamps import HOUR, to_ms
from engine.statistics.metric_totals import HourSums, MetricTotals
from engine.store import folds
from engine.store.folds import HOURS, Sums
from engine.store.metrics.hours import HourCell
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.format import Show, viewer_locale
from web.overview.cards import MINUS
from web.overview.course import sums_by_step
from web.overview.period import OverviewPeriod

PATH = "/v1/placements/payment_methods/report"
FILES = "/admin/dashboard"
WORD_JOINER = "\N{WORD JOINER}"


@pytest.fixture(scope="module")
def sold(server: Server) -> Side:
    """A merchant with ten days of sums, a tenth of them held back, whose people read in the merchant's own zone."""
    side = server.sides()[0]
    side.create_examples()
    luck, sums = random.Random(7), Sums()
    for hours_ago in range(240):
        hour = now_ms() // HOUR - hours_ago
        for arm, share, decisions in (("personalized", 0.62, 180), (NOT_PERSONALIZED, 0.5, 20)):
            converted = round(decisions * share) + luck.randint(-2, 2)
            totals = MetricTotals(
                decisions=decisions, shown=decisions, selected=converted + 2, converted=converted,
                revenue=converted * luck.randint(4_000, 6_000), margin=converted * 1_000,
                timed=converted, time_ms=converted * 30_000,
            )  # fmt: skip
            cells = [("", ""), ("cluster", str(hours_ago % 20)), ("device", "mobile"), ("delay", "11")]
            cells += [("candidate", luck.choice(("paypal", "card")))]
            for dimension, value in cells:
                own = arm if dimension in ("", "cluster") else ""
                cell = HourCell(side.merchant.id, "payment_methods", dimension, hour, own, value)  # type: ignore[arg-type]
                sums.add(HOURS, cell, *totals)

    async def write() -> None:
        async with server.engine.database.write() as connection:
            await folds.add(connection, sums)

    server.run(write())
    return side


@pytest.fixture(scope="module")
def reader(server: Server, sold: Side) -> Person:
    return add_person(server, sold, role="viewer")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def page_cards(page: str) -> dict[str, tuple[str, str]]:
    """The value and the sentence of each card on the page."""
    cards = re.findall(
        r'<h3><a [^>]*>([^<]+)</a></h3>\s*<p class="card-value">([^<]+)</p>\s*<p class="card-sentence">(.*?)</p>',
        page,
        re.DOTALL,
    )
    return {title: (value, re.sub(r"<[^>]+>", "", note).replace(WORD_JOINER, "")) for title, value, note in cards}


@pytest.mark.parametrize("query", ["range=7", "range=7&compare=before", "range=30", "range=today"])
def test_a_report_has_the_numbers_of_the_page(sold: Side, reader: Person, query: str) -> None:
    page = reader.get(f"/admin/?{query}")
    parameters = {"detail": "detailed"} | dict(part.split("=") for part in query.split("&"))
    report = sold.client.get(PATH, params=parameters).json()
    cards, show = page_cards(page), Show(locale=viewer_locale("en"), timezone="Europe/Berlin", now=now_ms())
    assert f">{report['headline']}<" in page
    assert len(cards) == len(report["figures"]) == 4
    for figure in report["figures"]:
        value, note = cards[figure["title"]]
        assert note.endswith(figure["sentence"])
        assert figure["verdict"] in note
        in_words = {
            "share": lambda share: show.percent(share),
            "money": lambda amount: show.rounded_money(amount, "EUR"),
            "time": lambda ms: f"{show.number(ms / 1000)} s",
        }[figure["quantity"]](figure["value"])
        assert in_words == value
    for step in report["steps"]:
        row = rf'<th scope="row">{step["name"]}</th>.*?<td class="num">{show.number(step["count"])}</td>'
        assert re.search(row, page, re.DOTALL), step
    for method in report["methods"]:
        assert f'dir="auto">{method["label"]}</a>' in page


def test_the_parts_of_a_report_add_up(sold: Side) -> None:
    report = sold.client.get(PATH, params={"range": "7", "detail": "detailed"}).json()
    assert 7 <= len(report["spans"]) <= 8
    for name in ("decisions", "converted", "revenue"):
        total = sum(span["sums"][name] for span in report["spans"])
        figures = {"decisions": report["decisions"], "converted": report["steps"][-1]["count"]}
        revenue = next(figure["value"] for figure in report["figures"] if figure["metric"] == "revenue")
        assert total == (figures | {"revenue": revenue})[name]
    assert sum(method["share"] for method in report["methods"]) == pytest.approx(1)
    assert (report["currency"], report["timezone"], report["side"]) == ("EUR", "Europe/Berlin", "live")


def test_figure_names_its_baseline_and_interval(sold: Side) -> None:
    report = sold.client.get(PATH, params={"range": "7"}).json()
    conversion = report["figures"][0]
    assert report["compared_with"] == "the holdback"
    assert conversion["low"] < conversion["difference"] < conversion["high"]
    assert conversion["difference"] == pytest.approx(0.12, abs=0.02)
    assert conversion["beside"] == pytest.approx(0.5, abs=0.01)
    before = sold.client.get(PATH, params={"range": "7", "compare": "before"}).json()["figures"][0]
    assert (before["low"], before["high"]) == (None, None)
    assert MINUS not in str(report)


def test_a_summary_has_no_days(sold: Side) -> None:
    report = sold.client.get(PATH).json()
    assert (report["spans"], report["methods"], report["segments"]) == ([], [], [])
    assert report["figures"]


def test_the_table_is_the_same_report_in_whole_units(sold: Side, reader: Person) -> None:
    report = sold.client.get(PATH, params={"range": "7", "detail": "detailed"}).json()
    table = rows(reader.get(f"{FILES}/detailed.csv?range=7"))
    figures = {row["figure"]: row for row in table if row["part"] == "summary"}
    for figure in report["figures"]:
        scale = {"money": 100, "time": 1000}.get(figure["quantity"], 1)
        row = figures[figure["metric"]]
        assert float(row["value"]) == pytest.approx(figure["value"] / scale, abs=0.006)
        assert row["unit"] == {"money": "EUR", "time": "seconds", "share": "share"}[figure["quantity"]]
        assert row["compared_with"] == "the holdback"
        assert bool(row["low"]) == (figure["low"] is not None)
    days = [row for row in table if row["part"] == "time" and row["figure"] == "revenue"]
    assert sum(float(row["value"]) for row in days) == pytest.approx(float(figures["revenue"]["value"]), abs=0.05)
    assert {row["part"] for row in table} == {"summary", "step", "time", "method", "customers"}


@pytest.mark.parametrize("file", ["summary.pdf", "detailed.pdf"])
def test_report_can_be_downloaded_as_pdf(reader: Person, file: str) -> None:
    answer = reader.client.get(reader.address(f"{FILES}/{file}?range=7"))
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    assert re.search(rf'filename="payment_methods-[\d-]+-{file}"', answer.headers["content-disposition"])
    assert answer.content.startswith(b"%PDF")
    assert len(answer.content) > 10_000


def test_the_page_offers_the_files_of_its_own_range(reader: Person) -> None:
    page = reader.get("/admin/?range=7&compare=before")
    hrefs = re.findall(r'href="(/admin/live/dashboard/(?:summary|detailed)[^"]+)"', page)
    assert len(hrefs) == 5
    assert all(href.endswith("?range=7&compare=before") for href in hrefs)
    assert reader.client.get(reader.address(f"{FILES}/detailed.exe")).status_code == 404


def test_a_merchant_without_checkouts_gets_an_empty_report(server: Server) -> None:
    side = server.sides()[1]
    side.create_examples()
    report = side.client.get(PATH, params={"detail": "detailed"}).json()
    assert (report["decisions"], report["spans"], report["side"]) == (0, [], "test")
    assert report["headline"] == "No checkouts in the last 30 days"
    assert side.client.get(PATH, params={"format": "pdf"}).content.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"range": "8"}, "range"),
        ({"range": "custom"}, "first"),
        ({"range": "custom", "first": "2020-01-01", "last": "2020-01-02"}, "first"),
        ({"format": "exe"}, "format"),
        ({"until": "2026-01-01"}, "until"),
    ],
)
def test_invalid_report_names_its_field(sold: Side, parameters: dict[str, str], field: str) -> None:
    answer = sold.client.get(PATH, params=parameters)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["field"] == field


def test_a_day_with_a_changed_clock_is_one_day() -> None:
    now = to_ms(datetime(2026, 11, 1, 12, tzinfo=UTC))

    class Reader:
        show = Show(locale=viewer_locale("en"), timezone="Europe/Berlin", now=now)

    reader: Any = Reader()
    period = OverviewPeriod.of({"range": "custom", "first": "2026-10-20", "last": "2026-10-31"}, Reader.show)
    hours = range(period.span.begin // HOUR, period.span.end // HOUR)
    sums = sums_by_step(reader, [HourSums(hour, "", "", MetricTotals(decisions=1)) for hour in hours], period, shift=0)
    assert len(sums) == period.days == 12
    assert sorted(each.decisions for each in sums.values()) == [24] * 11 + [25]
