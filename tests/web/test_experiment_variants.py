"""Changes of a variant in the form: rules disabled, enabled, changed or new, and policies."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import msgspec
import pytest

from engine.model.errors import Invalid
from engine.model.placement import Contextual, Fixed, Policy, Split, Thompson
from tests import factories
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from tests.web.test_admin_experiments import FORM, LIST, PAGE, PLACEMENT, create, stored
from tests.web.test_experiment_forms import CHOICES, OFF, RULE, again, experiment
from web.admin.experiments.variant_form import Choices, card_of
from web.admin.experiments.variants.variant_policy import with_settings
from web.admin.experiments.variants.variant_rules import own_rules, switched, text_of, with_rule, without_rule
from web.admin.shell.forms import Form

RULES = f"/v1/placements/{PLACEMENT}/rules"
HTMX = {"hx-request": "true"}
FIELD = re.compile(
    r'<(?:input|textarea)[^>]* name="(kept|shown|number|rule|when|effects)"[^>]*?(?: value="([^"]*)"|>([^<]*)<)'
)


# Policies


@pytest.mark.parametrize(
    ("own", "texts", "policy"),
    [
        (Thompson(), {"policy": ""}, None),
        (Thompson(), {"policy": "fixed"}, Fixed()),
        (Thompson(), {"policy": "split"}, Split()),
        (Thompson(), {"policy": "shares", "share:card": "70", "share:paypal": "30"}, Split({"card": 70, "paypal": 30})),
        (Thompson(), {"policy": "learn", "floor": "5", "drawn": "1"}, Thompson(0.05, 1, False)),
        (Thompson(), {"policy": "learn", "floor": "2,5", "drawn": "2", "history": "on"}, Thompson(0.025, 2, True)),
        (
            Contextual(("device.type",)),
            {"policy": "learn", "floor": "10", "drawn": "3", "history": "on"},
            Contextual(("device.type",), floor=0.1),
        ),
    ],
)
def test_a_policy_is_read_from_its_fields(own: Policy, texts: dict[str, str], policy: Policy | None) -> None:
    changes = {f"v1.{name}": text for name, text in texts.items()}
    assert again(experiment(), own=own, **changes).variants[1].policy == policy


@pytest.mark.parametrize(
    ("own", "texts", "field"),
    [
        (Fixed(), {"policy": "learn"}, "v1.policy"),
        (Thompson(), {"policy": "learn", "floor": "60"}, "v1.floor"),
        (Thompson(), {"policy": "learn", "drawn": "0"}, "v1.drawn"),
        (Thompson(), {"policy": "shares"}, "v1.policy"),
        (Thompson(), {"policy": "shares", "share:card": "many"}, "v1.policy"),
        (Thompson(), {"policy": "shares", "share:card": "-1", "share:paypal": "2"}, "v1.policy"),
        (Thompson(), {"rules": "{"}, "v1.rules"),
    ],
)
def test_invalid_setting_has_a_message_beside_it(own: Policy, texts: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        again(experiment(), own=own, **{f"v1.{name}": text for name, text in texts.items()})
    assert [problem.field for problem in refused.value.problems] == [field]


def test_other_settings_are_offered_where_the_placement_learns() -> None:
    card = card_of(Form({"v1.policy": ""}), 1, CHOICES)
    assert "learn" in dict(card.policies)
    assert "learn" not in dict(card_of(Form({}), 1, Choices((), {}, Fixed())).policies)


def test_settings_begin_with_those_of_the_placement() -> None:
    values = with_settings({"v1.policy": "learn", "v1.floor": "9"}, 2, Thompson(0.02, 1, history=True))
    assert (values["v0.floor"], values["v0.drawn"], values["v0.history"]) == ("2", "1", "on")
    assert values["v1.floor"] == "9"
    assert "v1.drawn" not in values


# Rules


def test_enabled_rule_is_disabled_and_enabled_again() -> None:
    values = switched({}, 1, "hide-card", RULE)
    assert values["v1.rules_off"] == "hide-card"
    [row] = card_of(Form(values), 1, CHOICES).rules
    assert (row.name, row.doing, row.is_own) == ("Hide card", "Switched off", False)
    assert without_rule(values, 1, "hide-card")["v1.rules_off"] == ""


def test_disabled_rule_is_enabled() -> None:
    values = switched({}, 1, "off", OFF)
    [rule] = own_rules(values["v1.rules"])
    assert rule == msgspec.structs.replace(OFF, enabled=True)
    [row] = card_of(Form(values), 1, CHOICES).rules
    assert (row.name, row.doing) == ("Off", "Switched on")


def test_a_changed_rule_is_no_longer_switched_off() -> None:
    changed = msgspec.structs.replace(RULE, name="Hide card later")
    values = with_rule(switched({}, 1, "hide-card", RULE), 1, changed)
    assert values["v1.rules_off"] == ""
    assert [row.doing for row in card_of(Form(values), 1, CHOICES).rules] == ["Changed"]
    values = with_rule(values, 1, msgspec.structs.replace(changed, name="Again"))
    assert [rule.name for rule in own_rules(values["v1.rules"])] == ["Again"]


def test_a_rule_that_the_placement_lacks_is_added() -> None:
    added = factories.rule({"exclude": ["ideal"]}, id="mine", name="Mine")
    values = {"v1.rules": text_of((added,))}
    assert [row.doing for row in card_of(Form(values), 1, CHOICES).rules] == ["Added"]
    assert again(experiment(), **values).variants[1].rules == (added,)


# The builder in the form


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with a rule in force and one that is not."""
    for id, enabled in (("small", True), ("large", False)):
        rule = {"id": id, "name": f"{id.title()} carts", "enabled": enabled, "effects": [{"exclude": ["paypal"]}]}
        rule["when"] = {"<" if enabled else ">": [{"var": "cart.total"}, 5000]}
        assert side.client.post(RULES, json=rule).status_code == 201
    return add_person(server, side)


def send(person: Person, **values: Any) -> str:
    """Press a button of the form and return the HTML that takes its place."""
    answer = person.client.post(person.address(f"{LIST}/new"), data={"csrf": person.csrf(), **values}, headers=HTMX)
    assert answer.status_code in (200, 422), answer.text
    return answer.text


def fields(text: str) -> dict[str, str]:
    """Return the hidden fields and JSON texts of the builder."""
    return {name: unescape(value or inner) for name, value, inner in FIELD.findall(text)}


def test_a_rule_is_changed_in_the_middle_of_the_form(server: Server, side: Side, person: Person) -> None:
    built = send(person, **(FORM | {"act": "rule_change:1", "v1.pick": "small"}))
    assert 'value="Small carts"' in built
    assert "Only customers who get “PayPal on top”" in built
    typed = fields(built) | {"placement": PLACEMENT, "name": "Tiny carts", "c.0.field": "cart.total"}
    typed |= {"c.0.operator": "<", "c.0.0": "20.00"}
    rows = person.send(f"{LIST}/rule", **typed).text
    assert "Cart total is under €20.00" in unescape(rows)
    back = send(person, **(typed | {"act": "rule_done"}))
    assert 'value="PayPal first"' in back, "what was typed before stays"
    assert "Tiny carts" in back
    person.send(f"{LIST}/new", **(FORM | {"v1.rules": rule_text(back)}))
    [rule] = stored(server, side).variants[1].rules
    assert (rule.id, rule.name, rule.when) == ("small", "Tiny carts", {"<": [{"var": "cart.total"}, 2000]})


def rule_text(text: str) -> str:
    match = re.search(r'name="v1\.rules" value="([^"]+)">', text)
    assert match
    return unescape(match[1])


def test_a_new_rule_gets_a_name_and_an_id(person: Person) -> None:
    built = send(person, **(FORM | {"act": "rule_new:1"}))
    typed = fields(built) | {"placement": PLACEMENT, "priority": "3"}
    refused = send(person, **(typed | {"name": " ", "act": "rule_done"}))
    assert "Give it a name that says what it does." in refused
    back = send(person, **(typed | {"name": "Small carts", "act": "rule_done"}))
    [rule] = own_rules(rule_text(back))
    assert (rule.id, rule.priority, rule.enabled) == ("small-carts", 3, True)
    assert ">Added<" in back


def test_invalid_rule_stays_in_the_builder(person: Person) -> None:
    built = send(person, **(FORM | {"act": "rule_new:1"}))
    typed = fields(built) | {"placement": PLACEMENT, "name": "Mine", "effects": "[]", "shown": ""}
    refused = send(person, **(typed | {"act": "rule_done"}))
    assert 'name="kept"' in refused
    assert 'role="alert"' in refused
    cancelled = send(person, **(typed | {"act": "rule_cancel"}))
    assert 'value="PayPal on top"' in cancelled
    assert ">Added<" not in cancelled


def test_rules_are_switched_in_the_form(server: Server, side: Side, person: Person) -> None:
    assert "Choose a rule first." in send(person, **(FORM | {"act": "rule_switch:1", "v1.pick": ""}))
    off = send(person, **(FORM | {"act": "rule_switch:1", "v1.pick": "small"}))
    assert ">Switched off<" in off
    assert '<input type="hidden" name="v1.rules_off" value="small">' in off
    on = send(person, **(FORM | {"act": "rule_switch:1", "v1.pick": "large", "v1.rules_off": ["small"]}))
    assert ">Switched on<" in on
    create(person, **{"v1.rules": rule_text(on), "v1.rules_off": ["small"]})
    variant = stored(server, side).variants[1]
    assert variant.rules_off == ("small",)
    assert [(rule.id, rule.enabled) for rule in variant.rules] == [("large", True)]
    text = person.get(PAGE)
    assert "Rules off: Small carts" in text
    back = send(person, **(FORM | {"act": "rule_back:1:small", "v1.rules_off": ["small"]}))
    assert ">Switched off<" not in back


def test_the_audience_survives_the_builder(person: Person) -> None:
    germany = '{"==": [{"var": "geo.country"}, "DE"]}'
    built = send(person, **(FORM | {"act": "rule_new:1", "when": germany}))
    back = send(person, **(fields(built) | {"placement": PLACEMENT, "act": "rule_cancel"}))
    assert "Country is Germany." in back


def test_stored_variant_shows_its_rule_changes(person: Person) -> None:
    create(person, **{"v1.rules_off": ["small"], "v1.policy": "fixed"})
    text = person.get(f"{PAGE}/edit")
    assert ">Switched off<" in text
    assert re.search(r'<option value="fixed" selected>', text)


def test_changes_of_a_variant_have_labels(server: Server, side: Side, person: Person) -> None:
    create(person, **{"v1.policy": "learn", "v1.floor": "10", "v1.drawn": "2"})
    assert stored(server, side).variants[1].policy == Thompson(0.1, 2, history=False)
    assert "Learns with other settings: 10% to keep trying, 2 positions vary" in person.get(PAGE)


def test_a_rule_set_through_the_api_is_shown_in_words(side: Side, person: Person) -> None:
    rule = {"id": "mine", "name": "Mine", "when": True, "effects": [{"pin": {"candidate": "paypal", "slot": 1}}]}
    variants = [{"id": "a", "name": "A"}, {"id": "b", "name": "B", "rules": [rule]}]
    body = {"id": "paypal-first", "name": "E", "variants": variants}
    assert side.client.post(f"/v1/placements/{PLACEMENT}/experiments", json=body).status_code == 201
    text = person.get(f"{PAGE}/edit")
    assert ">Added<" in text
    assert re.search(r"<small dir=\"auto\">[^<]*PayPal", text)
