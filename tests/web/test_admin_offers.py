"""Offers on the pages of the admin."""

from __future__ import annotations

import pytest

from tests.serving import Server, Side
from tests.web.people import Person, person_of
from web.openapi import examples

OFFER = {
    "currency": "EUR",
    "benefit": {"type": "percentage", "percent": 10, "maximum": 2000},
    "budgets": ["spring"],
    "texts": {"en": {"title": "10% off", "terms": "Once"}},
}
PAGE = "/admin/placements/offers/candidates/ten"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with one offer, paid by the budget `spring`."""
    created = person_of(server, side)
    for path, document in (
        ("/v1/budgets", {**examples.BUDGET, "amount": 1000}),
        ("/v1/placements", {"key": "offers", "name": "Offers"}),
        ("/v1/placements/offers/candidates", {"id": "ten", "label": "Ten percent", "offer": OFFER}),
    ):
        answer = side.client.post(path, json=document)
        assert answer.status_code == 201, answer.text
    return created


def test_a_candidates_form_keeps_its_offer(person: Person, side: Side) -> None:
    answer = person.send(PAGE, label="Ten", version=person.version(PAGE), enabled="on")
    assert answer.status_code == 200
    stored = side.client.get("/v1/placements/offers/candidates/ten").json()
    assert (stored["label"], stored["offer"]["budgets"]) == ("Ten", ["spring"])


def test_a_decision_says_why_an_offer_was_not_shown(person: Person, side: Side) -> None:
    cart = {"context": {"cart": {"total": 9_000, "currency": "EUR"}}}
    first, second = (side.client.post("/v1/personalize/offers", json=cart).json() for _ in range(2))
    assert (len(first["offers"]), len(second["offers"])) == (1, 0)
    page = person.get(f"/admin/decisions/{second['decision_id']}")
    assert "budget “spring” has too little left" in page
    assert "availability" not in page


def test_a_changed_budget_stands_among_the_changes_of_versions(person: Person, side: Side) -> None:
    raised = {**examples.BUDGET, "amount": 2000}
    assert side.client.put("/v1/budgets/spring", json=raised, headers={"if-match": "*"}).status_code == 200
    versions = side.client.get("/v1/placements/offers/versions").json()["items"]
    page = person.get(f"/admin/placements/offers/versions/{versions[0]['version']}")
    assert "Budget “Spring campaign”" in page
