"""The pages on which changes of rules are looked at, reviewed, published and taken back."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.model.actor import Actor
from engine.model.placement import RuleDocument
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.openapi import examples

PLACEMENT = "payment_methods"
CHANGES = f"/admin/live/placements/{PLACEMENT}/changes"
VERSIONS = f"/admin/live/placements/{PLACEMENT}/versions"
SCENARIOS = f"/admin/live/placements/{PLACEMENT}/scenarios"
HIDE = {"id": "hide-paypal", "name": "Hide PayPal", "when": {"==": [1, 1]}, "effects": ({"exclude": ["paypal"]},)}
REVISION = re.compile(r'name="revision" value="(\d+)"')


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def draft(side: Side, **changes: Any) -> None:
    """A change of a rule that waits to be published."""
    engine, document = side.server.engine, RuleDocument(**{**HIDE, **changes})
    side.server.run(engine.drafts.save(Actor(side.merchant.id, "ada@example.com"), PLACEMENT, document, revision=None))


def act(person: Person, name: str, **values: Any) -> Any:
    match = REVISION.search(person.get(CHANGES))
    return person.send(CHANGES, act=name, revision=match.group(1) if match else "0", **values)


def shown(side: Side) -> set[str]:
    return {ranked["id"] for ranked in side.decide()["ranking"]}


def test_page_shows_changes_in_words_and_as_json(side: Side, person: Person):
    assert "Nothing to publish" in person.get(CHANGES)
    draft(side)
    draft(side, id=examples.RULE["id"], name="Larger carts", when={">": [{"var": "cart.total"}, 200000]}, priority=3)
    page = person.get(CHANGES)
    for text in ("2 rules to be changed", "Hide PayPal", "ada@example.com", "2,000.00", "1,000.00", "Priority", "10 →"):
        assert text in page, text
    assert '<div class="added">' in page


def test_a_change_is_published_with_its_reason_and_rolled_back_with_one_click(side: Side, person: Person):
    before = side.decide()["plan_version"]
    draft(side)
    assert act(person, "publish", why="Too many chargebacks").status_code == 303
    assert "paypal" not in shown(side)
    page = person.get(VERSIONS)
    assert f"Version {before + 1}" in page
    assert "Too many chargebacks" in page
    assert "Hide PayPal" in person.get(f"{VERSIONS}/{before + 1}")
    assert "No difference" in person.get(f"{VERSIONS}/{before + 1}?since={before + 1}")
    person.send(f"/admin/placements/{PLACEMENT}/roll-back", version=str(before))
    assert "paypal" in shown(side)
    assert f"Rolled back to version {before}" in person.get(VERSIONS)
    refused = person.send(f"/admin/placements/{PLACEMENT}/roll-back", version=str(before))
    assert refused.status_code == 409


def test_discarded_changes_can_be_restored(side: Side, person: Person):
    draft(side)
    draft(side, id="other")
    answer = act(person, "discard", id="other")
    assert answer.status_code == 303
    page = person.get(CHANGES)
    assert "1 rule to be changed" in page
    undo = re.search(r'action="(/admin/live/placements/payment_methods/changes/\d+/restore)"', page)
    assert undo is not None
    person.send(undo[1])
    assert "2 rules to be changed" in person.get(CHANGES)
    act(person, "discard")
    assert "Nothing to publish" in person.get(CHANGES)


def test_change_made_after_the_page_was_opened_is_not_published(side: Side, person: Person):
    draft(side)
    seen = REVISION.search(person.get(CHANGES))
    assert seen is not None
    draft(side, id="sneaked-in")
    answer = person.send(CHANGES, act="publish", revision=seen[1], why="typed before")
    assert answer.status_code == 409
    assert "somebody else changed this draft meanwhile" in answer.text.lower()
    assert "typed before" in answer.text
    assert "paypal" in shown(side)


def test_conflicting_change_waits_for_a_decision(side: Side, person: Person):
    rule = examples.RULE["id"]
    draft(side, id=rule, name="Mine")
    side.client.put(
        f"/v1/placements/{PLACEMENT}/rules/{rule}", json={**examples.RULE, "name": "Theirs"}, headers={"If-Match": "*"}
    )
    page = person.get(CHANGES)
    assert "Published by others since" in page
    assert act(person, "publish").status_code == 409
    seen = re.search(r'name="seen" value="(\d+)"', page)
    assert seen is not None
    assert act(person, "keep", id=rule, seen=seen[1]).status_code == 303
    assert act(person, "publish").status_code == 303


def test_with_review_a_second_person_approves(server: Server, side: Side, person: Person):
    second, editor = add_person(server, side, role="publisher"), add_person(server, side, role="editor")
    person.send("/admin/review", review="on", placement=PLACEMENT)
    draft(side)
    assert act(editor, "publish").status_code == 403
    assert act(person, "publish").status_code == 403
    assert act(editor, "ask", why="please look").status_code == 303
    assert "In review" in second.get(CHANGES)
    assert act(editor, "approve").status_code == 403
    assert act(second, "approve").status_code == 303
    assert "Approved" in person.get(CHANGES)
    assert act(person, "publish").status_code == 303
    assert "paypal" not in shown(side)
    assert second.send("/admin/review", review="off").status_code == 403


def test_viewer_cannot_change_the_draft(server: Server, side: Side):
    viewer = add_person(server, side, role="viewer")
    draft(side)
    page = viewer.get(CHANGES)
    assert 'value="publish"' not in page
    assert "Hide PayPal" in page
    for name in ("publish", "schedule", "ask", "approve", "send-back", "discard", "keep"):
        assert viewer.send(CHANGES, act=name, revision="1000001").status_code == 403
    assert viewer.send(f"{SCENARIOS}/-/new", id="s", name="S").status_code == 403
    assert viewer.send(CHANGES, act="explode", revision="1").status_code == 403


def test_unknown_action_answers_404(side: Side, person: Person):
    draft(side)
    assert person.send(CHANGES, act="explode", revision="1").status_code == 404


@pytest.mark.parametrize("others", [0, 1])
def test_refused_publication_names_the_rule_that_is_wrong(side: Side, person: Person, others: int):
    candidates = f"/v1/placements/{PLACEMENT}/candidates"
    assert side.client.post(candidates, json={"id": "gift", "label": "Gift card"}).status_code == 201
    for number in range(others):
        draft(side, id=f"a-{number}", name="Another rule")
    draft(side, id="no-gift", name="No gift cards", effects=[{"exclude": ["gift"]}])
    side.client.delete(f"{candidates}/gift", headers={"If-Match": "*"})
    answer = act(person, "publish")
    assert answer.status_code == 422
    assert f"“No gift cards”: there is no candidate “gift” in “{PLACEMENT}”" in answer.text
    assert "effects/0" not in answer.text


def test_a_time_is_read_in_the_merchants_timezone(side: Side, person: Person):
    draft(side)
    for wrong in ("", "yesterday", "2020-01-01T10:00"):
        answer = act(person, "schedule", publish_at=wrong)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    # At noon, for some hours of the year come twice in Berlin, and some never.
    noon = {"hour": 12, "minute": 0, "second": 0, "microsecond": 0}
    expected = (datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=2)).replace(**noon, tzinfo=None)
    assert act(person, "schedule", publish_at=expected.isoformat(timespec="minutes")).status_code == 303
    assert "Scheduled" in person.get(CHANGES)
    moment = side.client.get(f"/v1/placements/{PLACEMENT}/draft").json()["publish_at"]
    assert datetime.fromisoformat(moment) == expected.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert act(person, "send-back").status_code == 303
    assert "Scheduled" not in person.get(CHANGES)


def test_a_planned_publication_is_read_in_the_timezone_beside_its_field(side: Side, person: Person):
    draft(side)
    assert person.send("/admin/profile", name="Ada", locale="", timezone="Asia/Kathmandu").status_code == 303
    assert "Day and time (Asia/Kathmandu" in person.get(CHANGES)
    assert act(person, "schedule", publish_at="2035-07-01T12:00").status_code == 303
    moment = side.client.get(f"/v1/placements/{PLACEMENT}/draft").json()["publish_at"]
    assert moment == "2035-07-01T06:15:00.000Z"
    assert act(person, "send-back").status_code == 303


def test_scenario_made_from_a_decision_stops_a_breaking_change(side: Side, person: Person):
    decision = side.decide()["decision_id"]
    page = person.get(f"/admin/decisions/{decision}")
    assert f"/admin/live/decisions/{decision}/scenario" in page
    answer = person.send(f"/admin/decisions/{decision}/scenario")
    address = answer.headers["location"]
    assert "It passes" in person.get(address)
    assert person.send(f"/admin/live/decisions/{decision}/scenario").headers["location"] == address
    draft(side)
    assert "1 scenario would fail" in person.get(CHANGES)
    refused = act(person, "publish")
    assert refused.status_code == 422
    assert "paypal should be shown, but is hidden" in refused.text
    assert "paypal" in shown(side)
    version = person.version(address)
    person.send(f"{address}/delete", version=version)
    assert act(person, "publish").status_code == 303


def test_a_scenario_is_written_corrected_and_shown_failing(side: Side, person: Person):
    values = {"id": "s1", "name": "No card", "context": "{", "expect": '{"hidden": ["bitcoin"]}'}
    answer = person.send(f"{SCENARIOS}/-/new", **values)
    assert answer.status_code == 422
    assert "field-context-error" in answer.text
    answer = person.send(f"{SCENARIOS}/-/new", **values | {"context": "{}"})
    assert "no candidate “bitcoin”" in answer.text
    person.send(f"{SCENARIOS}/-/new", **values | {"context": "{}", "expect": json.dumps({"hidden": ["card"]})})
    page = person.get(SCENARIOS)
    assert "Fails" in page
    assert "card should be hidden, but is shown" in page
    address, good = f"{SCENARIOS}/s1", values | {"context": "{}", "expect": '{"shown": ["card"]}'}
    version = person.version(address)
    assert person.send(address, **good, version=version).status_code == 200
    assert "Passes" in person.get(SCENARIOS)
    stale = person.send(address, **good | {"name": "Mine"}, version=version)
    assert stale.status_code == 409
    assert "Someone else saved this" in stale.text
