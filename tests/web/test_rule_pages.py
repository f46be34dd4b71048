"""The pages of rules as plain forms: building, the list's order and switches, files."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest

from engine.settings import Settings
from rules import loads
from tests.serving import Server, Side, serving
from tests.web.people import Person, add_person
from web.admin.rules.builder import rule_form
from web.admin.rules.draft_rules import load_rules

PLACEMENT = "/v1/placements/payment_methods/rules"
NEW = "/admin/live/rules/new?placement=payment_methods"
LIST = "/admin/live/rules?placement=payment_methods"
HIDE = [{"exclude": ["card"]}]
ODD = {"<": [{"+": [{"var": "cart.total"}, 1]}, 3.0]}
INPUT = re.compile(r'<(?:input|textarea)[^>]* name="(version|shown|history)"[^>]* value="([^"]*)"')


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


@pytest.fixture
def ids(side: Side) -> list[str]:
    """Three rules, the most important first."""
    for number, id in enumerate(("first", "second", "third")):
        rule = {
            "id": id,
            "name": id.capitalize(),
            "priority": 100 - number,
            "when": ODD,
            "effects": [{"exclude": ["card"]}],
        }
        assert side.client.post(PLACEMENT, json=rule).status_code == 201
    return order(side)


def order(side: Side) -> list[str]:
    rules = side.client.get(PLACEMENT).json()["items"]
    return [rule["id"] for rule in sorted(rules, key=lambda rule: (-rule["priority"], rule["id"]))]


def opened(person: Person, path: str) -> dict[str, Any]:
    """The hidden inputs of a rule's form as it was opened."""
    return dict(INPUT.findall(person.client.get(path).text))


def test_rule_without_rows_is_saved_unchanged(side: Side, person: Person, ids: list[str]) -> None:
    path = "/admin/live/rules/payment_methods/first"
    rule = {"when": json.dumps(ODD), "effects": json.dumps([{"exclude": ["card"]}])}
    saved = person.send(path, act="save", name="First", priority="100", enabled="on", **rule, **opened(person, path))
    assert saved.status_code == 200
    assert "Saved in the draft" in saved.text
    after = side.client.get(f"{PLACEMENT}/first").json()
    assert after["when"] == ODD
    assert isinstance(after["when"]["<"][1], float)


def test_buttons_build_a_rule_without_scripts(person: Person) -> None:
    texts = {"placement": "payment_methods", "name": "", "when": "true", "effects": "[]"}
    page = person.send("/admin/rules/new", act="add_row:c", **texts).text
    assert "Choose a fact" in page
    assert 'name="c.0.field"' in page
    assert "Always, for every checkout" not in page
    page = person.send("/admin/rules/new", act="effect_add:exclude", **texts).text
    assert "Choose at least one." in page


def test_undo_restores_earlier_states_of_the_form(person: Person) -> None:
    texts = {"placement": "payment_methods", "name": "", "when": "true", "effects": "[]"}
    page = person.send("/admin/rules/new", act="add_row:c", **texts).text
    hidden = dict(INPUT.findall(page))
    when = re.search(r'id="field-when"[^>]*>([^<]*)<', page)
    assert when
    assert "var" in when.group(1)
    built = {**texts, **hidden, "when": when.group(1).replace("&#34;", '"')}
    back = person.send("/admin/rules/new", act="undo", **built).text
    assert "Always, for every checkout" in back
    assert "Choose a fact" in person.send("/admin/rules/new", act="redo", **texts, **dict(INPUT.findall(back))).text


def test_a_rule_starts_from_a_template_or_from_another_rule(person: Person, ids: list[str]) -> None:
    page = person.get(NEW)
    template = re.search(r'href="([^"]+template=[^"]+)"[^>]*>([^<]+)<', page)
    assert template, "templates are offered"
    assert f'value="{template.group(2)}"' in person.get(template.group(1))
    assert 'value="Second (copy)"' in person.get(f"{NEW}&copy_of=second")


def test_rules_are_reordered_by_buttons_and_dragging(side: Side, person: Person, ids: list[str]) -> None:
    def move(id: str, **values: str) -> list[str]:
        assert person.send(f"/admin/rules/payment_methods/{id}/move", **values).status_code == 303
        person.publish()
        return [item for item in order(side) if item in ("first", "second", "third")]

    assert move("second", direction="up") == ["second", "first", "third"]
    assert move("second", direction="down") == ["first", "second", "third"]
    assert move("third", before="first") == ["third", "first", "second"]
    assert move("third", after="second") == ["first", "second", "third"]
    assert person.send("/admin/rules/payment_methods/nobody/move", direction="up").status_code == 404


def test_several_rules_are_switched_or_deleted_at_once(side: Side, person: Person, ids: list[str]) -> None:
    switch = "/admin/live/rules/payment_methods/-/switch"
    person.send(switch, act="off", id=["first", "third"])
    assert "Changed" in person.get(LIST)
    person.publish()
    rules = {rule["id"]: rule["enabled"] for rule in side.client.get(PLACEMENT).json()["items"]}
    assert (rules["first"], rules["second"], rules["third"]) == (False, True, False)
    assert "Off" in person.get(f"{LIST}&mark=off")
    assert "Second" not in person.get(f"{LIST}&mark=off")
    person.send(switch, act="delete", id=["first"])
    assert "To be deleted" in person.get(LIST)
    person.publish()
    assert "first" not in order(side)


def test_the_list_is_narrowed_by_name_and_tag(side: Side, person: Person, ids: list[str]) -> None:
    values = {"name": "Third", "priority": "1", "enabled": "on", "when": "true", "effects": '[{"exclude": ["card"]}]'}
    path = "/admin/live/rules/payment_methods/third"
    saved = person.send(
        path, tags="christmas, finance", active_from="2126-12-01T08:00", version=person.version(path), **values
    )
    assert saved.status_code == 200
    person.publish()
    after = side.client.get(f"{PLACEMENT}/third").json()
    assert after["tags"] == ["christmas", "finance"]
    assert after["active_from"].startswith("2126-12-01T08:00:00")
    by_tag = person.get(f"{LIST}&tag=finance")
    assert "Third" in by_tag
    assert "Second" not in by_tag
    assert "Not yet" in by_tag
    assert "No rule fits" in person.get(f"{LIST}&q=nobody")


def test_rules_are_exported_and_imported_unchanged(side: Side, person: Person, ids: list[str]) -> None:
    export = person.client.get("/admin/live/rules/payment_methods/-/export")
    assert export.headers["content-disposition"] == 'attachment; filename="rules-payment_methods.json"'
    before = {rule["id"]: rule for rule in side.client.get(PLACEMENT).json()["items"]}
    person.send("/admin/rules/payment_methods/-/switch", act="delete", id=ids)
    person.publish()
    assert order(side) == []
    sent = person.client.post(
        "/admin/live/rules/payment_methods/-/import",
        data={"csrf": person.csrf()},
        files={"file": ("rules.json", export.content, "application/json")},
    )
    assert sent.status_code == 303
    person.publish()
    after = {rule["id"]: rule for rule in side.client.get(PLACEMENT).json()["items"]}
    changing = ("version", "changed_at")
    assert [{k: v for k, v in rule.items() if k not in changing} for rule in after.values()] == [
        {k: v for k, v in rule.items() if k not in changing} for rule in before.values()
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "is not JSON"),
        ("{}", "must be a list of rules"),
        ('[{"id": "x"}]', "missing required field"),
        (
            '[{"id": "x", "name": "X", "when": {"<": [{"var": "nothing"}, 1]}, "effects": [{"exclude": ["card"]}]}]',
            "nothing",
        ),
    ],
)
def test_invalid_file_changes_nothing_and_explains_why(
    side: Side, person: Person, ids: list[str], text: str, message: str
) -> None:
    answer = person.client.post(
        "/admin/live/rules/payment_methods/-/import",
        data={"csrf": person.csrf()},
        files={"file": ("rules.json", text.encode(), "application/json")},
    )
    assert answer.status_code == 303
    page = person.get(LIST)
    assert "Nothing was imported." in page
    assert message in page
    assert order(side) == ids


def test_times_of_a_rule_name_the_timezone_that_they_are_read_in(side: Side, person: Person) -> None:
    assert person.send("/admin/profile", name="Ada", locale="", timezone="Asia/Kathmandu").status_code == 303
    page = person.get("/admin/live/rules/new?placement=payment_methods")
    assert "Empty: from now on. Times are in Europe/Berlin." in page
    assert "rules and reports follow Europe/Berlin" in page


def test_conflict_is_shown_and_typed_values_are_kept(
    server: Server, side: Side, person: Person, ids: list[str]
) -> None:
    path = "/admin/live/rules/payment_methods/first"
    values = {"priority": "100", "enabled": "on", "when": "true", "effects": '[{"exclude": ["card"]}]'}
    seen = person.version(path)
    assert add_person(server, side).send(path, name="Theirs", version=seen, **values).status_code == 200
    answer = person.send(path, name="Mine", version=seen, **values)
    assert answer.status_code == 409
    assert "Someone else saved this while you were editing" in answer.text
    assert "Theirs" in answer.text
    assert 'value="Mine"' in answer.text


def test_saving_and_deletion_can_be_undone(side: Side, person: Person, ids: list[str]) -> None:
    path = "/admin/live/rules/payment_methods/first"
    before = side.client.get(f"{PLACEMENT}/first").json()
    values = {"name": "Other", "priority": "7", "when": "true", "effects": json.dumps(HIDE)}
    version = person.version(path)
    person.send(path, version=version, **values)
    assert "Other" in person.get(LIST)
    document = {name: value for name, value in before.items() if name not in ("version", "changed_at")}
    back = person.send(f"{path}/before", version=person.version(path), document=json.dumps(document))
    assert back.status_code == 303
    assert "Other" not in person.get(LIST)
    person.send(path, version=person.version(path), **values)
    person.send(f"{path}/delete", version=person.version(path))
    match = re.search(
        r'action="(/admin/live/placements/payment_methods/changes/rule/first/back[^"]*)"', person.get(LIST)
    )
    assert match, "the next page offers to take it back"
    person.send(match.group(1))
    assert "To be deleted" not in person.get(LIST)
    assert "Other" in person.get(LIST), "what the draft had made of it is back, too"


def test_list_counts_findings_and_links_to_them(side: Side, person: Person) -> None:
    never = {"and": [{"==": [{"var": "geo.country"}, "DE"]}, {"==": [{"var": "geo.country"}, "US"]}]}
    fine = {"id": "fine", "name": "Fine", "when": {"==": [{"var": "geo.country"}, "DE"]}, "effects": HIDE}
    for rule in (fine, {"id": "never", "name": "Never so", "when": never, "effects": HIDE}):
        assert side.client.post(PLACEMENT, json=rule).status_code == 201
    page = person.get(LIST)
    assert "The checks found something in one rule:" in page
    row = page[page.index('data-id="never"') :].partition("</tr>")[0]
    assert re.search(r'href="/admin/live/rules/payment_methods/never#rule-found"[^>]*>.*1 finding<', row)
    assert "#rule-found" not in page[page.index('data-id="fine"') :].partition("</tr>")[0]
    values = {"csrf": person.csrf(), "enabled": "off"}
    turned = person.client.post(
        "/admin/live/rules/payment_methods/never/toggle", data=values, headers={"HX-Request": "true"}
    ).text
    assert "#rule-found" not in turned, "what is off takes no part in the checks"
    assert 'id="rule-checks"' in turned


def test_each_json_text_is_decoded_once_a_keystroke(
    person: Person, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/admin/live/rules/payment_methods/first"
    rule = {"name": "First", "priority": "100", "enabled": "on", "when": json.dumps(ODD), "effects": json.dumps(HIDE)}
    sent = {"csrf": person.csrf(), **rule, **opened(person, path)}
    decoded: list[str] = []
    monkeypatch.setattr(rule_form, "loads", lambda text: (decoded.append(text), loads(text))[1])

    def decodes(**values: Any) -> int:
        decoded.clear()
        assert person.client.post(path, data={**sent, **values}, headers={"hx-request": "true"}).status_code == 200
        return len(decoded)

    assert decodes(name="Another name") == 2
    assert decodes(**{"e.0.candidates": ["", "paypal"]}) == 3, "the changed text once more, with its new values"
    assert decodes(act="add_row:c") == 3
    assert decodes(act="save") == 4, "both texts of the form, both of the saved rule"


def create(person: Person, name: str, **values: Any) -> str:
    """The address that creating a rule leads to."""
    rule = {"priority": "0", "enabled": "on", "when": "true", "effects": json.dumps(HIDE)}
    sent = person.send("/admin/rules/new", placement="payment_methods", act="save", name=name, **rule, **values)
    assert sent.status_code == 303, sent.text
    return str(sent.headers["location"])


@pytest.mark.parametrize("name", ["Import", "Export", "Preview", "Switch", "New", "New rule", "Try", "Box"])
def test_rule_with_any_name_opens(person: Person, name: str) -> None:
    address = create(person, name)
    assert f'value="{name}"' in person.get(address)
    assert person.send(address, act="save", name=f"{name} 2").status_code in (200, 422)


def test_creating_twice_makes_one_rule(side: Side, person: Person) -> None:
    first, second = create(person, "Twice"), create(person, "Twice")
    assert first == second
    assert create(person, "Twice", notes="another") == f"{first}-2"


def test_creating_at_the_same_moment_makes_one_rule(person: Person) -> None:
    together = Barrier(4)
    csrf = person.csrf()
    rule = {"name": "At once", "priority": "0", "enabled": "on", "when": "true", "effects": json.dumps(HIDE)}

    def send(_: int) -> str:
        together.wait()
        sent = person.client.post(
            "/admin/live/rules/new", data={"csrf": csrf, "placement": "payment_methods", "act": "save", **rule}
        )
        return str(sent.headers.get("location"))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send, range(4))) == {"/admin/live/rules/payment_methods/at-once"}


def test_two_engines_in_one_process_share_no_rules(tmp_path: Path) -> None:
    def names(server: Server, name: str) -> list[str]:
        side, _ = server.sides()
        side.create_examples()
        create(add_person(server, side), name)
        frame: Any = SimpleNamespace(engine=server.engine, merchant=side.merchant)
        return [rule.name for rule in server.run(load_rules(frame, "payment_methods")).parsed()]

    with serving(Settings(data=str(tmp_path / "a"))) as first, serving(Settings(data=str(tmp_path / "b"))) as second:
        assert "Alpha" in names(first, "Alpha")
        assert "Beta" in names(second, "Beta")
