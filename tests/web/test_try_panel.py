"""Trying a customer beside a rule: the page's own rule, typed facts, why it fires or not; and nothing is left of it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest

from engine.model.account import Role
from rules import Problem, Rule
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.admin.rules import rule_edit
from web.admin.rules.builder.rule_form import RuleForm
from web.admin.rules.builder.rule_view import RuleContext, RuleView

RULES = "/v1/placements/payment_methods/rules"
RULE_PAGE = "/admin/live/rules/payment_methods/small"
SMALL = {"<": [{"var": "cart.total"}, 5000]}
HTMX = {"hx-request": "true"}
FIELD = re.compile(r'<input[^>]* name="(version|shown|history)"[^>]* value="([^"]*)"')


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    rule = {"id": "small", "name": "Small carts", "when": SMALL, "effects": [{"exclude": ["paypal"]}]}
    assert side.client.post(RULES, json=rule).status_code == 201
    return add_person(server, side)


def tried(person: Person, path: str = RULE_PAGE, **values: Any) -> str:
    """Return the text of the panel."""
    sent = {"csrf": person.csrf(), "start": "scratch", "started": "scratch", **values}
    answer = person.client.post(f"{path}/try", data=sent, headers=HTMX)
    assert answer.status_code == 200, answer.text
    return words(answer.text)


def words(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def facts(**values: str) -> dict[str, str]:
    return {f"f.{name.replace('_', '.', 1)}": text for name, text in values.items()}


def test_typed_amount_is_parsed_and_compared_by_the_rule(person: Person) -> None:
    sentence = tried(person, **facts(cart_total="49.99"))
    assert "It fires" in sentence
    assert "PayPal" in sentence.partition("Hidden")[2].partition("More facts")[0]
    assert "PayPal" not in sentence.partition("would come first")[0]


def test_rule_that_does_not_fire_names_the_failed_clause_and_a_remedy(person: Person) -> None:
    sentence = tried(person, **facts(cart_total="50"))
    assert "It does not fire" in sentence
    assert "No Cart total is under €50.00 Cart total: €50.00" in sentence
    assert "To make it fire Cart total would have to be under €50.00; it is €50.00" in sentence


def test_an_amount_in_another_currency_is_named(person: Person) -> None:
    sentence = tried(person, **facts(cart_total="62,000", cart_currency="JPY"))
    assert "It does not fire: a fact is missing Cart total is in JPY, and the rule gives no amount in JPY." in sentence
    assert "Cart total would have to be in EUR; it is in JPY, for which the rule gives no amount" in sentence


def test_missing_or_mistyped_fact_leaves_the_rule_unknown(person: Person) -> None:
    assert "It does not fire: a fact is missing Cart total is missing" in tried(person)
    sentence = tried(person, **facts(cart_total="a lot"))
    assert "Must be an amount in EUR, such as 50.00. It is treated as not sent." in sentence
    assert "It does not fire: a fact is missing" in sentence


def test_unsaved_edits_are_used(side: Side, person: Person) -> None:
    typed = {
        "name": "Small carts", "priority": "0", "enabled": "on",
        "when": json.dumps({"==": [{"var": "geo.country"}, "DE"]}), "effects": '[{"exclude": ["card"]}]',
    }  # fmt: skip
    sentence = tried(person, **typed, **facts(geo_country="Germany", cart_total="1"))
    assert "It fires" in sentence
    assert "Hidden Card" in sentence
    assert side.client.get(f"{RULES}/small").json()["when"] == SMALL
    off = tried(person, **{**typed, "enabled": ""}, **facts(geo_country="Germany"))
    assert "It is switched off, so it changes nothing." in off
    assert "Card" not in off.partition("Hidden")[2].partition("More facts")[0]
    broken = tried(person, **{**typed, "when": "{"}, **facts(geo_country="Germany"))
    assert "The rule is not finished. This is the answer without it." in broken


def test_unsaved_rule_can_be_tried(person: Person) -> None:
    typed = {"name": "", "priority": "0", "enabled": "on", "when": "true", "effects": '[{"exclude": ["card"]}]'}
    sentence = tried(person, "/admin/live/rules/payment_methods/~new", **typed, **facts(cart_total="1"))
    assert "It fires" in sentence
    assert "Also fires: Small carts" in sentence


def test_facts_come_from_a_decision_a_scenario_or_a_search(side: Side, person: Person) -> None:
    decision = side.decide("c_1")["decision_id"]
    page = words(person.get(f"{RULE_PAGE}/try"))
    assert "Germany, €129.00" in page
    started = person.client.post(
        f"{RULE_PAGE}/try", data={"csrf": person.csrf(), "start": decision, "started": "scratch"}, headers=HTMX
    ).text
    assert re.search(r'name="f.cart.total"[^>]*value="129.00"', started)
    result = tried(person, find="c_1", looked="")
    assert "No decision and no customer" not in result
    assert "No decision and no customer of this placement has this id." in tried(person, find="nobody", looked="")


def test_trial_is_saved_as_a_scenario_with_its_result(side: Side, person: Person) -> None:
    sent = {"csrf": person.csrf(), "scenario": "Small carts see no PayPal", **facts(cart_total="10")}
    saved = person.client.post(f"{RULE_PAGE}/try/scenario", data=sent, headers=HTMX)
    assert "Small carts see no PayPal" in saved.text
    [scenario] = side.client.get("/v1/placements/payment_methods/scenarios").json()["items"]
    assert scenario["context"]["cart"] == {"total": 1000}
    assert scenario["expect"]["hidden"] == ["paypal"]
    page = person.client.post(
        f"{RULE_PAGE}/try", data={**sent, "start": f"scenario:{scenario['id']}"}, headers=HTMX
    ).text
    assert re.search(r'name="f.cart.total"[^>]*value="10.00"', page)


def test_without_scripts_the_page_keeps_the_typed_values(person: Person) -> None:
    sent = {
        "start": "scratch", "started": "scratch", "name": "Renamed", "priority": "0", "enabled": "on",
        "when": "true", "effects": '[{"exclude": ["card"]}]',
    }  # fmt: skip
    page = person.send(f"{RULE_PAGE}/try", **sent).text
    assert 'value="Renamed"' in page
    assert "It fires" in page


def test_trial_is_not_logged(side: Side, person: Person) -> None:
    tried(person, **facts(cart_total="1"))
    assert side.client.get("/v1/decisions").json()["items"] == []


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher", "admin"])
def test_every_role_sees_the_same_answer(server: Server, side: Side, person: Person, role: Role) -> None:
    person = add_person(server, side, role=role)
    sent: dict[str, Any] = dict(FIELD.findall(person.client.get(RULE_PAGE).text)) | {
        "when": json.dumps(SMALL),
        "effects": '[{"exclude": ["paypal"]}]',
    }
    if role != "viewer":  # browsers leave out the inputs of a disabled fieldset
        sent |= {"name": "Small carts", "priority": "0", "enabled": "on"}
    text = tried(person, **sent, **facts(cart_total="1"))
    assert "It fires" in text
    assert "switched off" not in text
    assert "PayPal" in text.partition("Hidden")[2].partition("More facts")[0]


def test_viewer_can_try_but_not_save(server: Server, side: Side, person: Person) -> None:
    viewer = add_person(server, side, role="viewer")
    assert viewer.send(f"{RULE_PAGE}/try/scenario", **facts(cart_total="1")).status_code == 403


def test_rules_and_customers_of_another_merchant_cannot_be_tried(server: Server, side: Side, person: Person) -> None:
    request = {"placement": "payment_methods", "customer_id": "c_1", "context": {"cart": {"total": 77_700}}}
    decision = side.client.post("/v1/personalize/decisions", json=request).json()["decision_id"]
    other, _ = server.sides()
    other_person = add_person(server, other)
    assert other_person.client.get(f"{RULE_PAGE}/try").status_code == 404
    other.create_examples()
    mine = f"/admin/live/rules/payment_methods/{other.client.get(RULES).json()['items'][0]['id']}"
    for values in ({"start": decision, "started": ""}, {"find": decision, "looked": ""}, {"find": "c_1", "looked": ""}):
        assert "777.00" not in tried(other_person, mine, **values)


def test_trial_does_not_block_the_event_loop(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    class Watched(RuleContext):
        def __init__(self, *args: Any, **named: Any) -> None:
            threads.append(threading.current_thread().name)
            super().__init__(*args, **named)

        def rule_view(self, form: RuleForm) -> RuleView:
            threads.append(threading.current_thread().name)
            return super().rule_view(form)

        def parsed(self, form: RuleForm) -> tuple[Rule | None, Sequence[Problem]]:
            threads.append(threading.current_thread().name)
            return super().parsed(form)

    monkeypatch.setattr(rule_edit, "RuleContext", Watched)
    tried(person, **facts(cart_total="1"))
    person.get(f"{RULE_PAGE}/try")
    assert len(threads) >= 6
    assert "server" not in threads, "the server's own thread runs the event loop"
