"""The first page: cards against the holdback or the time before, what needs attention, and the same as data."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.clock import now_ms
from engine.metrics.dashboard import Dashboard
from engine.model.timestamps import DAY, HOUR, to_ms
from engine.statistics.lift import Lift
from engine.statistics.metric_totals import HourSums, MetricTotals
from engine.store import folds
from engine.store.folds import HOURS, Sums
from engine.store.metrics.hours import HourCell
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.format import Show, viewer_locale
from web.overview.breakdown import median_time
from web.overview.cards import cards_of, headline, notes_of
from web.overview.course import course_of, sums_by_step
from web.overview.period import OverviewPeriod

NOON = to_ms(datetime(2026, 11, 21, 12, tzinfo=UTC))
SHOW = Show(locale=viewer_locale("en"), timezone="Europe/Berlin", now=NOON)
SUMS = MetricTotals(
    decisions=10_000, converted=6_000, revenue=60_000_000, margin=18_000_000, timed=6_000, time_ms=240_000_000
)
SURE = Lift(0.6, 0.57, 0.03, 0.01, 0.05, 9_500, 500)
LATER = Lift(6_000.0, 5_800.0, 200.0, -100.0, 500.0, 9_500, 500)


class Frame:
    """Enough of a frame for words."""

    show = SHOW
    base = "/admin/live"

    class merchant:
        currency = "EUR"


FRAME: Any = Frame()


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def dashboard(**changes: Any) -> Dashboard:
    lifts = {"conversion": SURE, "revenue": LATER, "margin": None, "checkout_time": SURE._replace(difference=900.0)}
    parts: Any = {"currency": {}, "delay": {}, "candidate": {}, "device": {}, "country": {}, "visit": {}}
    usual: dict[str, Any] = {
        "totals": SUMS,
        "before": MetricTotals(),
        "arms": {},
        "lifts": lifts,
        "hours": [],
        "earlier": [],
    }
    return Dashboard(**({"parts": parts} | usual | changes))


def period(**parameters: str) -> OverviewPeriod:
    return OverviewPeriod.of(parameters, SHOW)


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, SHOW.zone).isoformat()


# The address


def test_a_range_begins_at_midnight_of_the_reader():
    assert iso(period(range="today").span.begin) == "2026-11-21T00:00:00+01:00"
    assert iso(period(range="7").span.begin) == "2026-11-15T00:00:00+01:00"
    assert period(range="7").span.end == NOON
    assert period(range="7").span.before == 7 * DAY


def test_custom_range_has_whole_days():
    own = period(range="custom", first="2026-10-20", last="2026-10-31")
    # The clock was set back on October 25th.
    assert (iso(own.span.begin), iso(own.span.end)) == ("2026-10-20T00:00:00+02:00", "2026-11-01T00:00:00+01:00")
    assert own.days == 12
    assert not own.problem


def test_days_of_half_hour_timezones_have_no_gap():
    class Reader(Frame):
        show = Show(locale=viewer_locale("en"), timezone="Asia/Kolkata", now=NOON)

    reader: Any = Reader()
    own = OverviewPeriod.of({"range": "custom", "first": "2026-11-18", "last": "2026-11-20"}, reader.show)
    after = OverviewPeriod.of({"range": "custom", "first": "2026-11-21", "last": "2026-11-21"}, reader.show)
    assert own.span.hours(1, "p").last == after.span.hours(1, "p").first
    hours = range(own.span.begin // HOUR, own.span.end // HOUR)
    rows = [HourSums(hour, "", "", MetricTotals(decisions=1)) for hour in hours]
    days = sums_by_step(reader, rows, own, shift=0)
    assert [each.decisions for each in days.values()] == [24, 24, 24]
    [note] = notes_of(reader, dashboard(), own)
    assert "days begin at 11:30\u202fPM here, not at 12:00\u202fAM" in note
    assert notes_of(FRAME, dashboard(), period(range="7")) == []


def test_today_is_neither_the_highest_nor_the_lowest_day():
    days = {0: 1, 1: 90, 2: 50}
    rows = [
        HourSums(NOON // HOUR - 24 * ago, "", "", MetricTotals(decisions=100, converted=bought))
        for ago, bought in days.items()
    ]
    view = course_of(FRAME, dashboard(hours=rows), period(range="7"))
    assert "90.0% on the highest day" in view.title
    assert view.title.endswith("50.0% on the lowest")
    assert "Today is not over." in view.about
    assert len(view.points) == 3


def test_a_single_day_is_called_a_day():
    own = period(range="custom", first="2026-11-19", last="2026-11-19")
    assert (own.in_words, own.before_in_words) == ("on this day", "the day before")


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [
        ("2026-11-20", "2026-11-10", "must not be after"),
        ("yesterday", "2026-11-10", "Choose both days"),
        ("2025-01-01", "2025-01-31", "among the last 92"),
    ],
)
def test_excluded_days_explain_why(first, last, problem):
    own = period(range="custom", first=first, last=last)
    assert problem in own.problem
    assert own.days == 30


def test_address_has_only_settings_that_differ_from_defaults():
    assert period().query == ""
    assert period(range="7", compare="before", metric="revenue").query == "?range=7&compare=before&metric=revenue"
    assert period(range="a", compare="b", metric="c").query == ""
    assert "first=2026-11-01" in period(range="custom", first="2026-11-01", last="2026-11-02").query


# Words


def test_cards_distinguish_clear_unclear_and_early_results():
    cards = {card.metric: card for card in cards_of(FRAME, dashboard(), period())}
    assert cards["conversion"].verdict == "Better"
    assert cards["conversion"].sentence == "3.0 points more than the holdback (1.0 to 5.0)."
    assert cards["revenue"].verdict == "Not clear"
    assert (
        cards["revenue"].sentence
        == "The difference from the holdback may be chance: −\N{WORD JOINER}€9,500 to €47,500."
    )
    assert cards["margin"].verdict == "Too early"
    assert (cards["revenue"].value, cards["checkout_time"].value) == ("€600,000", "40 s")


def test_more_time_to_pay_is_worse():
    slower = Lift(42_000.0, 40_000.0, 2_000.0, 500.0, 3_500.0, 9_500, 500)
    cards = cards_of(FRAME, dashboard(lifts={"checkout_time": slower}), period())
    assert (cards[-1].verdict, cards[-1].kind) == ("Worse", "bad")
    assert cards[-1].sentence == "2.0 s more than the holdback (0.5 s to 3.5 s)."


def test_effect_is_unknown_without_a_holdback():
    cards = cards_of(FRAME, dashboard(lifts={}), period())
    assert {card.verdict for card in cards} == {"No holdback"}
    assert "Personalization" not in headline(FRAME, dashboard(lifts={}), period())


def test_comparison_over_time_explains_its_limits():
    before = dashboard(before=SUMS._replace(converted=5_000, revenue=50_000_000))
    cards = {card.metric: card for card in cards_of(FRAME, before, period(compare="before"))}
    assert cards["revenue"].sentence == "+20.0% against the 30 days before."
    assert any("cannot tell" in note for note in notes_of(FRAME, before, period(compare="before")))
    assert notes_of(FRAME, before, period()) == []


def test_period_before_the_first_decision_is_not_compared():
    few = dashboard(before=MetricTotals(decisions=12, converted=9, revenue=900))
    cards = cards_of(FRAME, few, period(compare="before"))
    assert {card.verdict for card in cards} == {"Too little"}


def test_headline_shows_the_effect_of_personalization():
    sure = LATER._replace(low=100.0)
    brought = headline(FRAME, dashboard(lifts={"revenue": sure}), period())
    assert brought == "Personalization brought €19,000 in the last 30 days (between €9,500 and €47,500)"
    assert headline(FRAME, dashboard(), period()) == "Personalization brings 3.0 points more purchases"
    assert headline(FRAME, dashboard(totals=MetricTotals()), period()) == "No checkouts in the last 30 days"


def test_purchases_in_other_currencies_are_named():
    parts = dashboard().parts | {"currency": {"GBP": MetricTotals(converted=3, revenue=12_300), "EUR": SUMS}}
    assert notes_of(FRAME, dashboard(parts=parts), period()) == [
        "Purchases of £123.00 in other currencies are not in these amounts."
    ]


def test_half_of_the_customers_pay_within_the_median():
    assert median_time({}) is None
    median = median_time({"10": MetricTotals(timed=50), "12": MetricTotals(timed=50)})
    assert median is not None
    assert 20_000 < median < 60_000


# The page


def fill(server: Server, side: Side, **values: int) -> None:
    """Add sums of the last hour, as decisions and outcomes would."""
    sums = Sums()
    totals = MetricTotals(
        **({"decisions": 200, "shown": 200, "selected": 150, "converted": 120, "revenue": 600_000} | values)
    )
    hour = now_ms() // HOUR - 1
    for arm, dimension, value in (
        ("", "", ""),
        ("", "device", "mobile"),
        ("", "candidate", "paypal"),
        ("", "delay", "10"),
        ("", "delay", "11"),
    ):
        sums.add(HOURS, HourCell(side.merchant.id, "payment_methods", dimension, hour, arm, value), *totals)  # type: ignore[arg-type]

    async def write() -> None:
        async with server.engine.database.write() as connection:
            await folds.add(connection, sums)

    server.run(write())


def test_the_page_shows_the_sums_of_the_log(server: Server, side: Side, person: Person) -> None:
    fill(server, side, timed=120, time_ms=3_600_000)
    text = person.get("/admin/live/?range=7")
    assert "60.0% of 200 checkouts end in a purchase" in text
    assert "There is no holdback" in text
    assert "25% of checkouts end between “shown” and “selected”" in text
    assert "Half of the customers pay within" in text
    assert "100% of purchases are by PayPal" in text
    assert 'data-live hx-get="/admin/live/dashboard?range=7"' in text


def test_the_page_refreshes_without_being_loaded(server: Server, side: Side, person: Person) -> None:
    fill(server, side)
    part = person.get("/admin/live/dashboard?range=7")
    assert "60.0% of 200 checkouts" in part
    assert "<html" not in part


def test_empty_account_links_to_the_first_rule(server: Server) -> None:
    side = server.sides()[0]
    person = add_person(server, side)
    text = person.get("/admin/live/")
    assert "1 of 6 steps done" in text, "the key of the tests"
    assert 'id="dashboard"' not in text
    assert person.client.get("/admin/live/setup?done=1").status_code == 204
    side.create_examples()
    part = person.get("/admin/live/setup?done=1")
    assert "4 of 6 steps done" in part
    assert "<html" not in part
    request = re.search(r"<code>(.*?)</code>", part, re.DOTALL)
    assert request
    assert "/v1/personalize/decisions" in request[1]


def test_guide_links_the_first_decision_and_ends(server: Server, side: Side, person: Person) -> None:
    decision = side.decide()
    text = person.get("/admin/live/")
    assert "5 of 6 steps done" in text
    assert decision["decision_id"] in text
    outcome = {"event_id": "order-1", "decision_id": decision["decision_id"], "type": "converted"}
    first = decision["ranking"][0]["id"]
    assert side.client.post("/v1/personalize/feedback", json={**outcome, "candidate_id": first}).status_code < 300
    assert 'id="setup"' not in person.get("/admin/live/")
    ended = person.client.get("/admin/live/setup?done=5")
    assert (ended.status_code, ended.headers["hx-refresh"]) == (204, "true")


def test_fallbacks_need_attention(server: Server, side: Side, person: Person) -> None:
    fill(server, side, fallbacks=40)
    text = person.get("/admin/live/")
    assert re.search(r"1 thing needs attention", text)
    assert "20.0% of the answers since" in text


def test_time_series_can_be_downloaded(server: Server, side: Side, person: Person) -> None:
    fill(server, side)
    lines = person.get("/admin/live/dashboard/course.csv?range=7&metric=revenue").splitlines()
    assert lines[0] == "epoch_ms,value,time_before"
    assert lines[1].split(",")[1] == "6000.0"
    assert person.client.get("/admin/live/dashboard/other.csv").status_code == 404


def test_a_placement_that_does_not_exist_is_not_shown(person: Person) -> None:
    assert person.client.get("/admin/live/?placement=nowhere").status_code == 404


# The same as data


def test_figures_are_returned_as_json(server: Server, side: Side) -> None:
    fill(server, side)
    path = "/v1/placements/payment_methods/metrics"
    report = side.client.get(path).json()
    assert (report["sums"]["decisions"], report["values"]["conversion"]) == (200, 0.6)
    assert report["lifts"] == {}
    assert report["parts"]["device"]["mobile"]["revenue"] == 600_000
    assert len(report["hours"]) == 1
    before = side.client.get(path, params={"from": "2026-01-01T00:00:00Z", "to": "2026-01-08T00:00:00Z"}).json()
    assert before["sums"]["decisions"] == 0


@CHANGES_NOTHING
@pytest.mark.parametrize(
    "parameters",
    [
        {"from": "2026-01-08T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"},
        {"from": "yesterday"},
    ],
)
def test_invalid_time_is_refused_by_name(side: Side, parameters: dict[str, str]) -> None:
    answer = side.client.get("/v1/placements/payment_methods/metrics", params=parameters)
    assert answer.status_code == 422 or answer.status_code == 400
    assert "from" in answer.text


def test_metrics_of_an_unknown_placement_do_not_exist(side: Side) -> None:
    assert side.client.get("/v1/placements/nowhere/metrics").status_code == 404
