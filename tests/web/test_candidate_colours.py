"""A candidate keeps its colour for good: on every page, when others move, come or go, and in charts of the past."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest

from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.charts.candidate_charts import unique_names

PAGE = "/admin/placements/payment_methods"
SWATCH = re.compile(r'swatch arm-(\d).*?<(?:a class="row-link"|span)[^>]*>([^<]+)<')
CANDIDATES = "/v1/placements/payment_methods/candidates"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def colours(text: str) -> dict[str, str]:
    return {label: number for number, label in SWATCH.findall(text)}


def chart(text: str, name: str) -> list[dict[str, object]]:
    [spec] = re.findall(rf'data-chart="{name}">(.*?)</script>', text)
    rows: list[dict[str, object]] = json.loads(spec)["data"]["values"]
    return rows


def learn(server: Server, side: Side, person: Person) -> str:
    """Let one customer buy; return the page of the customer group."""
    decision = side.decide()
    chosen = decision["ranking"][0]["id"]
    event = {"event_id": "e1", "decision_id": decision["decision_id"], "type": "converted", "candidate_id": chosen}
    assert side.client.post("/v1/personalize/feedback", json=event).status_code == 202
    server.run(server.engine.live.refresh(at_once=True))
    group = re.search(r'<option value="([^"]+)"', person.get(PAGE))
    assert group
    return f"{PAGE}?bucket={group[1]}"


def methods(person: Person) -> Mapping[str, str]:
    return colours(person.get("/admin/methods"))


def test_moving_a_candidate_changes_no_colour(server: Server, side: Side, person: Person) -> None:
    group = learn(server, side, person)
    before, performance = methods(person), person.get(group)
    ids = re.findall(r'href="/admin/live/methods/([a-z_]+)"', person.get("/admin/methods"))
    assert len(set(before.values())) == len(before) > 2
    for _ in ids:
        person.send(f"/admin/methods/{ids[-1]}/move", direction="up")
    assert list(methods(person)) != list(before)
    assert methods(person) == before
    after = person.get(group)
    assert colours(after) == colours(performance)
    assert {(row["candidate"], row["colour"]) for row in chart(after, "chart-estimates")} == {
        (row["candidate"], row["colour"]) for row in chart(performance, "chart-estimates")
    }
    # The log shows a decision of before in the colour of now.
    assert colours(person.get("/admin/decisions")).items() <= before.items()


def test_new_candidate_gets_an_unused_colour(side: Side, person: Person) -> None:
    before = methods(person)
    gone = next(iter(before))
    made = side.client.post(CANDIDATES, json={"id": "new", "label": "New", "position": 0})
    assert made.status_code == 201, made.text
    assert methods(person) == before | {"New": methods(person)["New"]}
    assert methods(person)["New"] not in before.values()
    id = {row["label"]: row["id"] for row in side.client.get(CANDIDATES).json()["items"]}[gone]
    assert side.client.delete(f"{CANDIDATES}/{id}", headers={"If-Match": "*"}).status_code == 204
    side.client.post(CANDIDATES, json={"id": "other", "label": "Other", "position": 9})
    assert methods(person)["Other"] not in before.values()
    side.client.post(CANDIDATES, json={"id": id, "label": gone, "position": 3})
    assert methods(person)[gone] == before[gone]


def test_candidates_with_the_same_label_are_distinguished_by_id() -> None:
    labels = {"card_a": "Card", "card_b": "Card", "paypal": "PayPal"}
    assert unique_names(labels) == {"card_a": "Card (card_a)", "card_b": "Card (card_b)", "paypal": "PayPal"}


def test_charts_show_each_of_two_candidates_with_one_label(server: Server, side: Side, person: Person) -> None:
    first = side.client.get(CANDIDATES).json()["items"][0]["label"]
    assert side.client.post(CANDIDATES, json={"id": "twin", "label": first, "position": 9}).status_code == 201
    rows = chart(person.get(learn(server, side, person)), "chart-estimates")
    assert len({row["candidate"] for row in rows}) == len(rows)
    assert f"{first} (twin)" in {row["candidate"] for row in rows}
