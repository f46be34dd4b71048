"""Counts of fired rules and sent fields: on the rule's page, in the lists, and over the API."""

from __future__ import annotations

import re
from html import unescape

import pytest

from engine.decisions.usage import ENOUGH
from engine.previews.alternatives import Alternative
from tests.serving import Server, Side
from tests.web.people import Person, add_person

RULES = "/v1/placements/payment_methods/rules"
LIST = "/admin/live/rules?placement=payment_methods"
WAITS = "Number of items never arrived in the last 30 days: this rule cannot fire."


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """A rule that fires and a rule on a field that is never sent, with enough decisions."""
    for id, when in (
        ("fires", {"==": [{"var": "geo.country"}, "DE"]}),
        ("waits", {">": [{"var": "cart.items"}, 3]}),
    ):
        rule = {"id": id, "name": id.capitalize(), "when": when, "effects": [{"exclude": ["paypal"]}]}
        assert side.client.post(RULES, json=rule).status_code == 201
    body = {"placement": "payment_methods", "context": {"geo": {"country": "DE"}}}
    for _ in range(ENOUGH):
        assert side.client.post("/v1/personalize/decisions", json=body).status_code == 200
    server.run(server.engine.use_counter.flush())
    return add_person(server, side)


def words(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_rule_card_shows_count_and_last_time_fired(person: Person) -> None:
    page = person.get("/admin/rules/payment_methods/fires/uses")
    assert "It fired 20 times in the last 30 days." in words(page)
    assert 'data-chart="chart-uses"' in page
    assert page.count("</td></tr>") == 30
    assert "Compare with and without this rule" in page
    assert "/admin/live/rules/payment_methods/fires/uses" in person.get("/admin/rules/payment_methods/fires")


def test_rule_with_a_missing_fact_is_flagged_on_every_page(person: Person) -> None:
    card = words(person.get("/admin/rules/payment_methods/waits/uses"))
    assert WAITS in card
    assert "It did not fire in the last 30 days." in card
    assert "Number of items: 20 times (100%)" in card
    assert words(person.get(LIST)).count(WAITS) == 1
    fields = words(person.get("/admin/fields"))
    assert "Never Needed by Waits" in fields
    assert "100% of decisions" in fields


def test_rule_list_shows_last_week_and_unused_rules(side: Side, person: Person) -> None:
    page = words(person.get(LIST))
    assert "Fired, 7 days" in page
    assert re.search(r"Fires .{0,120}In force 20 ", page)
    name = side.client.get("/v1/lists").json()["items"][0]["name"]
    side.client.post("/v1/lists", json={"name": "nobody", "values": ["x"]})
    page = words(person.get(LIST))
    assert "No rule uses the list “nobody”." in page
    assert name != "nobody"


def test_ended_schedule_is_shown_in_the_list(side: Side, person: Person) -> None:
    rule = {"id": "over", "name": "Over", "when": True, "effects": [{"exclude": ["paypal"]}]}
    assert side.client.post(RULES, json=rule | {"active_to": "2025-12-01T00:00:00Z"}).status_code == 201
    assert "The schedule has ended, so the rule is no longer active." in words(person.get(LIST))


def test_preview_without_a_rule_starts_from_its_card(server: Server, side: Side, person: Person) -> None:
    sent = person.send("/admin/live/placements/payment_methods/what-if", change="off", id="fires", period="7")
    assert sent.status_code == 303
    alternative = Alternative("off", "fires")
    last = server.run(server.engine.previews.newest(side.merchant.id, "payment_methods", alternative=alternative))
    assert last is not None
    server.run(server.engine.previews.finish(side.merchant.id, last.id))
    card = words(person.get("/admin/rules/payment_methods/fires/uses"))
    assert "See all of it" in card
    assert "Compare with and without this rule" not in card
    assert "Compare with and without this rule" in words(person.get("/admin/rules/payment_methods/waits/uses"))


def test_api_returns_the_same_counts(side: Side, person: Person) -> None:
    items = {item["id"]: item for item in side.client.get("/v1/placements/payment_methods/rule-uses").json()["items"]}
    assert items["fires"]["fired"] == ENOUGH
    assert items["fires"]["by_day"][0]["times"] == ENOUGH
    assert items["fires"]["last_fired"]
    assert items["waits"]["skipped"] == {"cart.items": ENOUGH}
    assert items["waits"]["never_sent"] == ["cart.items"]
    fields = side.client.get("/v1/field-uses?days=1").json()
    shares = {field["name"]: field["share"] for field in fields["items"]}
    assert (fields["answers"], shares["geo.country"], shares["cart.items"]) == (ENOUGH, 1.0, 0.0)
    assert side.client.get("/v1/field-uses?days=0").status_code == 400
    assert side.client.get("/v1/placements/nowhere/rule-uses").status_code == 404


def test_another_merchant_has_no_access_to_counts(server: Server, person: Person) -> None:
    other, _ = server.sides()
    assert other.client.get("/v1/placements/payment_methods/rule-uses").status_code == 404
    assert other.client.get("/v1/field-uses").json()["answers"] == 0
    other_person = add_person(server, other)
    assert other_person.client.get("/admin/live/rules/payment_methods/fires/uses").status_code == 404
    assert "of decisions" not in other_person.get("/admin/fields")
