"""A placement that learns from facts: its form, and what its page says that it learned."""

from __future__ import annotations

import itertools

import pytest

from bandits.evidence.calibration import calibrations
from bandits.evidence.residuals import ExpectedSuccesses, Residuals
from tests.serving import Server, Side
from tests.web.people import Person, person_of

FORM = {
    "key": "banner",
    "name": "Banner",
    "shape": "one",
    "policy": "contextual",
    "features": "device.type, cart.total geo.country",
    "values:geo.country": "Germany, nl",
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
    assert all(f'name="features" value="{name}" checked' in page for name in stored["policy"]["features"])
    assert 'value="Germany, Netherlands"' in page


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"features": "customer.segment"}, "field-values:customer.segment", "Name the values to distinguish"),
        ({"features": "cart.colour"}, "", "here is no field “cart.colour”"),
        (
            {"features": "geo.country", "values:geo.country": "Germny"},
            "field-values:geo.country",
            "There is no country",
        ),
        ({"credit": "position"}, "field-credit", "This cannot be used when learning from facts"),
        ({"floor": "60"}, "field-floor", "Must lie between 0 and 50."),
        ({"drawn": "11"}, "field-drawn", "Must lie between 1 and 10."),
    ],
)
def test_what_it_cannot_learn_from_is_said_beside_its_field(
    person: Person, changes: dict[str, str], field: str, message: str
) -> None:
    answer = person.send("/admin/placements/new", **FORM | changes)
    assert answer.status_code == 422
    beside = answer.text.partition(f'id="{field}-error"' if field else "Facts to learn from")[2]
    assert message in beside[: beside.index("</div>")] if field else message in beside


def test_groups_that_were_chosen_before_are_let_go_when_it_learns_from_facts(side: Side, person: Person) -> None:
    assert person.send("/admin/placements/new", **FORM | {"buckets": "device.type"}).status_code == 303
    assert side.client.get("/v1/placements/banner").json()["buckets"] == []


@pytest.mark.usefixtures("certain_luck")
def test_the_page_says_in_words_what_was_learned(side: Side, person: Person) -> None:
    person.send("/admin/placements/new", **FORM)
    side.client.post(
        "/v1/placements/banner/candidates", json=[{"id": "a", "label": "Apples"}, {"id": "b", "label": "Bread"}]
    )
    assert "Nothing certain yet" in person.get("/admin/placements/banner")
    numbers = itertools.count()
    for device, expected in [("mobile", "a"), ("desktop", "b")] * 150:
        asked = {"placement": "banner", "context": {"device": {"type": device}}}
        answer = side.client.post("/v1/personalize/decisions", json=asked).json()
        first = answer["ranking"][0]["id"]
        outcome = {
            "event_id": f"banner-{next(numbers)}",
            "decision_id": answer["decision_id"],
            "type": "converted" if first == expected else "abandoned",
        }
        side.client.post(
            "/v1/personalize/feedback", json=outcome | ({"candidate_id": first} if first == expected else {})
        )
    side.server.run(side.server.engine.live.refresh(at_once=True))
    page = person.get("/admin/placements/banner")
    assert "Where Device is mobile, Apples is chosen" in page
    assert "Times as often" in page
    assert "Where a new candidate starts" not in page, "nothing tells what a new one would be like"
    for id in ("a", "b"):
        path = f"/v1/placements/banner/candidates/{id}"
        stored = side.client.get(path).json()
        changed = {"id": id, "label": stored["label"], "attributes": {"family": "fruit" if id == "a" else "bakery"}}
        side.client.put(path, json=changed, headers={"If-Match": "*"}).raise_for_status()
    more = [{"id": "c", "label": "Cherries", "attributes": {"family": "fruit"}}]
    side.client.post("/v1/placements/banner/candidates", json=more).raise_for_status()
    page = person.get("/admin/placements/banner")
    assert "One whose family is fruit starts at about" in page
    assert "estimated from Apples, Cherries." in page
    assert "Any other new candidate starts at about" in page


def test_the_learning_page_compares_predictions_with_results(
    side: Side, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert person.send("/admin/placements/new", **FORM).status_code == 303
    side.client.post("/v1/placements/banner/candidates", json={"id": "one", "label": "Spring"})
    answer = side.client.post("/v1/personalize/decisions", json={"placement": "banner"}).json()
    outcome = {"event_id": "e", "decision_id": answer["decision_id"], "type": "converted", "candidate_id": "one"}
    side.client.post("/v1/personalize/feedback", json=outcome)
    page = "/admin/placements/banner/learning"
    assert "Whether predictions come true" not in person.get(page)
    sums = {day: ExpectedSuccesses(100, 40.0, 20.0, 16.0, 0.5) for day in range(90, 97)}
    weeks = calibrations(Residuals({"one": sums}, judged=97))
    monkeypatch.setattr("engine.insights.learning_history._calibration", lambda active: weeks)
    text = person.get(page)
    assert "2 of 2 predictions differ from results by more than noise." in text
    assert text.count("Predicted too low") == 2
    assert "140 (20.0%)" in text
    assert "280 (40.0%)" in text
    assert person.get(f"{page}/calibration.csv").splitlines()[1].startswith("90,")


def test_a_placement_that_does_not_learn_from_facts_says_nothing_of_them(person: Person) -> None:
    assert "What it has learned" not in person.get("/admin/placements/payment_methods")
