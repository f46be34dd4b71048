"""A placement that learns from facts: its form, and what its page says that it learned."""

from __future__ import annotations

import itertools

import pytest

from tests.serving import Server, Side
from tests.web.people import Person, person_of

FORM = {
    "key": "banner",
    "name": "Banner",
    "shape": "one",
    "policy": "contextual",
    "features": "device.type, cart.total geo.country",
    "values": "geo.country: DE, NL",
    "affinity": "on",
    "floor": "50",
    "drawn": "1",
    "reward": "converted",
    "credit": "first",
    "window_minutes": "60",
}


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return person_of(server, side)


def test_what_was_typed_is_stored_and_shown_again(side: Side, person: Person) -> None:
    assert person.send("/admin/placements/new", **FORM).status_code == 303
    stored = side.client.get("/v1/placements/banner").json()
    assert stored["policy"] == {
        "type": "contextual",
        "features": ["device.type", "cart.total", "geo.country"],
        "values": {"geo.country": ["DE", "NL"]},
        "affinity": True,
        "floor": 0.5,
        "drawn": 1,
    }
    page = person.get("/admin/placements/banner/settings")
    assert 'value="device.type, cart.total, geo.country"' in page
    assert "geo.country: DE, NL" in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "customer.segment", "values": ""}, "“customer.segment” has no list of allowed values"),
        ({"features": "cart.colour", "values": ""}, "here is no field “cart.colour”"),
        ({"values": "geo.country DE"}, "should read like: geo.country: DE, AT, NL"),
        ({"buckets": "device.type"}, "he policy learns from facts instead"),
    ],
)
def test_what_it_cannot_learn_from_is_said_beside_the_form(
    person: Person, changes: dict[str, str], message: str
) -> None:
    answer = person.send("/admin/placements/new", **FORM | changes)
    assert answer.status_code == 422
    assert message in answer.text


def test_the_page_says_in_words_what_was_learned(side: Side, person: Person) -> None:
    person.send("/admin/placements/new", **FORM)
    side.client.post(
        "/v1/placements/banner/candidates", json=[{"id": "a", "label": "Apples"}, {"id": "b", "label": "Bread"}]
    )
    assert "Nothing yet that is sure" in person.get("/admin/placements/banner")
    numbers = itertools.count()
    for device, wanted in [("mobile", "a"), ("desktop", "b")] * 150:
        asked = {"placement": "banner", "context": {"device": {"type": device}}}
        answer = side.client.post("/v1/personalize/decisions", json=asked).json()
        first = answer["ranking"][0]["id"]
        outcome = {
            "event_id": f"banner-{next(numbers)}",
            "decision_id": answer["decision_id"],
            "type": "converted" if first == wanted else "abandoned",
        }
        side.client.post(
            "/v1/personalize/feedback", json=outcome | ({"candidate_id": first} if first == wanted else {})
        )
    side.server.run(side.server.engine.live.refresh(at_once=True))
    page = person.get("/admin/placements/banner")
    assert "Where Device is mobile, Apples is chosen" in page
    assert "Times as often" in page


def test_a_placement_that_does_not_learn_from_facts_says_nothing_of_them(person: Person) -> None:
    assert "What it has learned" not in person.get("/admin/placements/payment_methods")
