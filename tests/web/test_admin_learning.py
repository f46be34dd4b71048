"""The page on how a placement learns: a sentence for each chart, and the figures behind it."""

from __future__ import annotations

import csv
import io

import pytest

from engine.clock import DAY
from engine.evidence import Fit
from engine.insight import DayRate, arrivals, jumps
from tests.serving import Server, Side
from tests.web.people import Person, person_of

LEARNING = "/admin/placements/payment_methods/learning"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return person_of(server, side)


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


def test_before_any_result_the_page_says_what_it_is_for(person: Person) -> None:
    page = person.get(LEARNING)
    assert "No results yet" in page
    assert "chart-densities" not in page


def test_with_results_every_chart_has_its_sentence_and_its_figures(side: Side, person: Person) -> None:
    buy(side, 3)
    page = person.get(LEARNING)
    assert "Results of a few days will show how rates move" in page
    assert "Results of 90 days ago count half" in page
    for chart, first in (("beliefs", "candidate"), ("days", "candidate"), ("arrivals", "milliseconds")):
        rows = list(csv.reader(io.StringIO(person.get(f"{LEARNING}/{chart}.csv"))))
        assert rows[0][0] == first
    days = list(csv.DictReader(io.StringIO(person.get(f"{LEARNING}/days.csv"))))
    assert sum(int(row["trials"]) for row in days) == 3


def test_a_jump_is_dated_and_said_with_both_rates() -> None:
    days = [DayRate("card", day, 400, 160 if day < 10 else 20) for day in range(20)]
    (jump,) = jumps(days, before_day=20)
    assert jump.day == 10
    assert (jump.before, jump.after) == (0.4, 0.05)


def test_arrivals_rise_to_all_of_them() -> None:
    points = arrivals([(0, 10, 3), (9, 30, 0)], DAY)
    assert [share for _, share in points] == sorted(share for _, share in points)
    assert points[-1][1] == 1.0
    assert arrivals([], DAY) == [] == arrivals(list(Fit().delays), DAY)
