"""Rules and changes beside what the checkout really sends: in the builder, in the list, and before publishing."""

from __future__ import annotations

import re

import pytest

from engine.insights.traffic import ENOUGH
from tests.serving import Server, Side
from tests.web.people import Person, add_person

RULES = "/admin/live/rules/payment_methods"
CHANGES = "/admin/live/placements/payment_methods/changes"


def plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """A shop whose customers are all in Germany, with small carts."""
    context = {"geo": {"country": "DE"}, "cart": {"total": 5_000, "currency": "EUR"}}
    for _ in range(ENOUGH):
        body = {"placement": "payment_methods", "context": context}
        assert side.client.post("/v1/personalize/decisions", json=body).status_code == 200
    return add_person(server, side, role="admin")


def put(side: Side, id: str, when: object) -> None:
    rule = {"id": id, "name": id.capitalize(), "when": when, "effects": [{"exclude": ["paypal"]}]}
    sent = side.client.put(f"/v1/placements/payment_methods/draft/rules/{id}", json=rule, headers={"If-Match": "*"})
    assert sent.status_code in (200, 201), sent.text


def test_unpublished_rules_show_their_traffic(side: Side, person: Person) -> None:
    put(side, "brazil", {"==": [{"var": "geo.country"}, "BR"]})
    put(side, "germany", {"==": [{"var": "geo.country"}, "DE"]})
    text = "was true in none of 200 decisions of the last week: most had Germany."
    assert text in plain(person.get(f"{RULES}/brazil"))
    assert "No problems found." in plain(person.get(f"{RULES}/germany"))
    listed = plain(person.get("/admin/live/rules?placement=payment_methods"))
    assert re.search(r"The checks found something in .{0,80}Brazil", listed)
    assert not re.search(r"The checks found something in .{0,80}Germany", listed)
    assert text in plain(person.get(CHANGES))
    reach = f"{CHANGES}/reach?kind=rule&id="
    assert f"Changes 0 of {ENOUGH} answers of the last week." in plain(person.get(f"{reach}brazil"))
    assert f"Changes {ENOUGH} of {ENOUGH} answers of the last week (100" in plain(person.get(f"{reach}germany"))
    assert "no longer in the draft" in plain(person.get(f"{reach}published-meanwhile"))


def test_candidate_page_warns_of_a_minimum_that_no_cart_reaches(side: Side, person: Person) -> None:
    assert "could have offered it" not in person.get("/admin/live/methods/paypal")
    paypal = side.client.get("/v1/placements/payment_methods/candidates/paypal")
    dear = {name: value for name, value in paypal.json().items() if name not in ("version", "changed_at")} | {
        "min_amount": 1_000_000
    }
    path = "/v1/placements/payment_methods/candidates/paypal"
    sent = side.client.put(path, json=dear, headers={"If-Match": paypal.headers["etag"]})
    assert sent.status_code == 200, sent.text
    text = f"None of {ENOUGH} decisions of the last week could have offered it: the amount is below its minimum."
    assert text in plain(person.get("/admin/live/methods/paypal"))
