"""The quality of a placement's data on its page."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.clock import now_ms
from engine.insights.data_health import DataHealth
from engine.model.timestamps import HOUR
from engine.statistics.durations import bin_of
from engine.statistics.health import CandidateAudience, DayWeights
from engine.store.beliefs import Version
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.admin.placements.placement_health import health_view
from web.admin.placements.response_times import response_times
from web.format import Show, viewer_locale

PAGE = "/admin/live/placements/payment_methods"
LABELS, POSITIONS = {"card": "Card", "invoice": "Invoice"}, {"card": 0, "invoice": 1}
AUDIENCES = [
    CandidateAudience("card", 800, 800, 0.375, None, False),
    CandidateAudience("invoice", 800, 496, 0.55, 0.2, True),
]
HOLD, OFF = DayWeights(20_000, 200, 190.0, 12.0), DayWeights(20_001, 200, 320.0, 12.0)


class Frame:
    show = Show(locale=viewer_locale("en"), timezone="UTC", now=0)


def view(**changes):
    health = DataHealth(
        800, AUDIENCES, True, Counter(server=92, browser=8), [HOLD], Version(812, "", 5, "+212 outcomes")
    )
    return health_view(Frame(), health._replace(**changes), LABELS, POSITIONS)


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def test_different_audiences_cause_a_warning():
    [warning] = view().warnings
    assert warning.startswith(
        "Invoice was offered in 62% of the latest decisions. 55.0% of these succeed, 20.0% of the"
    )
    assert view(pools=False).warnings == []
    assert "within the same answer" in view(pools=False).compared
    few = [audience._replace(other_rate=None, is_unlike=False) for audience in AUDIENCES]
    assert "too few results" in view(audiences=few).compared


def test_sources_versions_and_agreement_are_shown():
    report = view()
    assert report.sources == "Outcomes come 92% from your server (secret key) and 8% from browsers (publishable key)."
    assert report.version == "version 812, +212 outcomes"
    assert report.agree.startswith("The weights add up")
    assert view(sources=Counter()).sources.startswith("No outcomes")


def test_day_with_wrong_weights_causes_a_warning():
    report = view(pools=False, weights=[HOLD, OFF])
    [warning] = report.warnings
    assert "the weights of 200 decisions add up to 320" in warning
    assert report.agree == ""
    assert [row.is_off for row in report.weights] == [False, True]


def test_page_without_learned_data_has_a_message():
    report = view(newest=None, weights=[], audiences=[], sources=Counter())
    assert (report.made_at, report.version, report.warnings) == (None, "", [])
    assert report.agree.startswith("No first slot")


def test_the_placements_page_has_a_section_on_its_data(side: Side, person: Person):
    before = person.get(PAGE)
    assert "Health of the data" in before
    assert "No estimates yet." in before
    answer = side.client.post("/v1/personalize/decisions", json={"placement": "payment_methods"}).json()
    outcome = {"event_id": "e1", "decision_id": answer["decision_id"], "type": "converted", "candidate_id": "card"}
    assert side.client.post("/v1/personalize/feedback", json=outcome).status_code == 202
    page = person.get(PAGE)
    assert "Outcomes come 100% from your server (secret key)." in page
    assert "Sum of weights by day" in page
    assert "Every candidate was offered in all of the latest decisions." in page


def test_response_times_are_shown_by_hour_with_enough_answers() -> None:
    show = Show(locale=viewer_locale("en"), timezone="Asia/Kolkata", now=0)
    hours = {480_000: {bin_of(20): 95, bin_of(700): 5}, 480_001: {bin_of(20): 94, bin_of(700): 6}, 480_002: {0: 19}}
    times = response_times(show, hours)
    assert [(each.text, each.answers) for each in times.hours] == [("22 ms", 100), ("723 ms", 100)]
    assert times.title == "One answer in 20 took longer than 723 ms"
    assert times.chart is not None
    assert response_times(show, {480_000: {0: 19}}).title == "No response times yet"


def test_placement_page_shows_response_times(server: Server, side: Side, person: Person) -> None:
    assert "No response times yet" in person.get(PAGE)
    merchant_id, counter = side.merchant.id, server.engine.use_counter
    for hours_ago in (1, 2):
        for _ in range(20):
            time = now_ms() - hours_ago * HOUR
            counter.time(merchant_id, "payment_methods", decided_at=time, milliseconds=40 * hours_ago)
    server.run(counter.flush())
    page = person.get(PAGE)
    assert "One answer in 20 took longer than" in page
    assert 'data-chart="chart-times"' in page
