"""The page on how a placement learns: a sentence for each chart, and the figures behind it."""

from __future__ import annotations

import csv
import io

import pytest

from engine.insights.learning_history import DayRate, arrivals, jumps
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.statistics.evidence import Fit
from engine.store import fits
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.charts.learning_charts import ArmDay, history
from web.charts.learning_charts import arrivals as arrivals_chart
from web.format import Show, viewer_locale
from web.openapi import examples

SHOW = Show(locale=viewer_locale("en"), timezone="Europe/Berlin", now=0)
LEARNING = "/admin/live/placements/payment_methods/learning"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def buy(side: Side, times: int) -> None:
    for number in range(times):
        answer = side.client.post("/v1/personalize/decisions", json={"placement": "payment_methods"}).json()
        outcome = {
            "event_id": f"learn-{number}-{answer['decision_id']}",
            "decision_id": answer["decision_id"],
            "type": "converted",
            "candidate_id": answer["ranking"][0]["id"],
        }
        assert side.client.post("/v1/personalize/feedback", json=outcome).status_code == 202


def test_page_without_results_explains_its_purpose(person: Person) -> None:
    page = person.get(LEARNING)
    assert "No results yet" in page
    assert "chart-densities" not in page


def test_every_chart_has_a_sentence_and_a_table(side: Side, person: Person) -> None:
    buy(side, 3)
    page = person.get(LEARNING)
    assert "Results of a few days are needed to show changes" in page
    assert "Results of 90 days ago count half" in page
    for chart, first in (("beliefs", "candidate"), ("days", "candidate"), ("arrivals", "milliseconds")):
        rows = list(csv.reader(io.StringIO(person.get(f"{LEARNING}/{chart}.csv"))))
        assert rows[0][0] == first
    days = list(csv.DictReader(io.StringIO(person.get(f"{LEARNING}/days.csv"))))
    # Each purchase was a choice among three candidates.
    assert sum(int(row["trials"]) for row in days) == 9


@pytest.mark.parametrize("credit", ["cascade", "choice"])
def test_cascade_shows_how_often_each_slot_is_examined(server: Server, side: Side, person: Person, credit: str) -> None:
    path = "/v1/placements/payment_methods"
    stored = side.client.get(path)
    body = {**examples.PLACEMENT, "credit": credit}
    changed = side.client.put(path, json=body, headers={"If-Match": stored.headers["ETag"]})
    assert changed.status_code == 200, changed.text
    buy(side, 1)

    async def put() -> None:
        scope = Scope(side.merchant.id, "payment_methods", "converted")
        async with server.engine.database.write() as connection:
            await fits.put(connection, scope, Fit(examination=(1.0, 0.5, 0.25)), now=0)

    server.run(put())
    assert ("Seen, from the first position down: 100%, 50%, 25%." in person.get(LEARNING)) is (credit == "cascade")


def test_jump_has_its_date_and_both_rates() -> None:
    days = [DayRate("card", day, 400, 160 if day < 10 else 20) for day in range(20)]
    (jump,) = jumps(days, before_day=20)
    assert jump.day == 10
    assert (jump.before, jump.after) == (0.4, 0.05)


def test_arrivals_rise_to_100_percent() -> None:
    points = arrivals([(0, 10, 3), (9, 30, 0)], DAY)
    assert [share for _, share in points] == sorted(share for _, share in points)
    assert points[-1][1] == 1.0
    assert arrivals([], DAY) == [] == arrivals(list(Fit().delays), DAY)


def test_axis_of_arrivals_ends_when_nearly_all_arrived() -> None:
    spec = arrivals_chart([(0, 0.0), (1_000, 0.5), (30_000, 0.995), (3_600_000, 1.0)], show=SHOW)
    rows = spec["data"]["values"]
    assert [row["after"] for row in rows] == [0, 1, 30, 45]
    assert rows[-1]["after_text"] == "45.0 seconds"


def test_lines_of_several_days_have_labels() -> None:
    days = [
        ArmDay(label=label, colour=index, day=day, rate=0.5, trials=10, forgotten=False)
        for index, label in enumerate(("Card", "PayPal"))
        for day in (1, 2)
    ]
    spec = history(days, show=SHOW, measure="Conversion rate")
    [labels] = [layer["data"]["values"] for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    assert {item["candidate"] for item in labels} == {"Card", "PayPal"}
    assert len({item["label_at"] for item in labels}) == 2, "one does not stand over the other"
    assert {item["at"] for item in labels} == {2 * DAY}


def test_charts_of_the_overview_can_be_downloaded(side: Side, person: Person) -> None:
    buy(side, 3)
    arms = "/admin/live/placements/payment_methods/arms"
    estimates = list(csv.DictReader(io.StringIO(person.get(f"{arms}/estimates.csv"))))
    assert {"label", "mean", "low", "high"} <= estimates[0].keys()
    shares = list(csv.DictReader(io.StringIO(person.get(f"{arms}/shares.csv"))))
    assert {row["candidate"] for row in shares} == {row["label"] for row in estimates}
    assert person.client.get(f"{arms}/none.csv").status_code == 404
