"""The form of a scenario: the try panel's inputs and a choice for each candidate, in the place of JSON."""

from __future__ import annotations

import re

import pytest

from tests.serving import Server, Side
from tests.web.people import Person, add_person

PAGE = "/admin/live/placements/payment_methods/scenarios"
API = "/v1/placements/payment_methods/scenarios"
LARGE = {"f.geo.country": "Germany", "f.cart.total": "600,50", "f.cart.currency": "EUR"}


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side, role="admin")


def test_a_scenario_is_made_without_json(side: Side, person: Person) -> None:
    page = person.get(f"{PAGE}/-/new")
    assert "<textarea" not in page.replace('name="notes"', "").split('name="context"')[1].split("Notes")[0]
    sent = person.send(
        f"{PAGE}/-/new",
        id="large",
        name="Large carts",
        **LARGE,
        **{"e.paypal": "hidden", "e.card": "slot:1", "v.cvv": "yes"},
    )
    assert sent.status_code == 303, sent.text
    stored = side.client.get(f"{API}/large").json()
    assert stored["context"] == {"geo": {"country": "DE"}, "cart": {"total": 60_050, "currency": "EUR"}}
    assert stored["expect"]["hidden"] == ["paypal"]
    assert stored["expect"]["pinned"] == [{"candidate": "card", "slot": 1}]
    assert stored["expect"]["values"] == {"cvv": True}
    shown = person.get(f"{PAGE}/large")
    assert re.search(r'name="e.paypal">.*?value="hidden" selected', shown, re.DOTALL)
    assert re.search(r'name="e.card">.*?value="slot:1" selected', shown, re.DOTALL)
    assert "It fails with the rules in force" in shown


def test_emptied_facts_are_removed_and_typed_facts_added(side: Side, person: Person) -> None:
    scenario = {
        "id": "odd",
        "name": "Odd",
        "context": {"geo": {"country": "DE"}, "cart": {"total": 100}},
        "expect": {"hidden": ["paypal"]},
    }
    assert side.client.post(API, json=scenario).status_code == 201
    page = person.get(f"{PAGE}/odd")
    values = {name: re.search(rf'name="{name}" value="([^"]*)"', page).group(1) for name in ("version",)}  # type: ignore[union-attr]
    context = '{"geo": {"country": "DE"}, "cart": {"total": 100}}'
    sent = person.send(
        f"{PAGE}/odd", name="Odd", context=context, expect='{"hidden": ["paypal"]}', **values,
        **{"f.geo.country": "", "f.cart.total": "1.00", "f.device.type": "mobile", "e.paypal": ""},
    )  # fmt: skip
    assert sent.status_code == 200, sent.text
    stored = side.client.get(f"{API}/odd").json()
    assert stored["context"] == {"cart": {"total": 100}, "device": {"type": "mobile"}}
    assert stored["expect"]["hidden"] == []


def test_fact_of_another_type_has_a_message_beside_it(person: Person) -> None:
    sent = person.send(f"{PAGE}/-/new", id="bad", name="", **{"f.cart.total": "much"})
    assert sent.status_code == 422
    assert "It is treated as not sent." in sent.text
