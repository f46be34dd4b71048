"""Drafts over HTTP: edited by several people, compared, reviewed, published, and imported from a repository."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.actor import Actor
from tests.serving import Server, Side
from web.openapi import examples

PLACEMENT = "/v1/placements/payment_methods"
DRAFT = f"{PLACEMENT}/draft"
ANY = {"If-Match": "*"}
HIDE = {"id": "hide-paypal", "name": "Hide PayPal", "when": {"==": [1, 1]}, "effects": [{"exclude": ["paypal"]}]}


def save(side: Side, rule: dict[str, Any], seen: str = "*") -> Any:
    return side.client.put(f"{DRAFT}/rules/{rule['id']}", json=rule, headers={"If-Match": seen})


def publish(side: Side, **body: Any) -> Any:
    return side.client.post(f"{DRAFT}/publish", json=body, headers=ANY)


def shown(side: Side) -> set[str]:
    return {ranked["id"] for ranked in side.decide()["ranking"]}


def test_draft_takes_effect_only_when_published(side: Side):
    assert save(side, HIDE).json()["mark"] == "new"
    assert "paypal" in shown(side)
    version = publish(side, why="Too many chargebacks").json()["version"]
    decision = side.decide()
    assert decision["plan_version"] == version
    assert "paypal" not in {ranked["id"] for ranked in decision["ranking"]}
    newest = side.client.get(f"{PLACEMENT}/versions").json()["items"][0]
    assert (newest["version"], newest["why"]) == (version, "Too many chargebacks")
    [change] = side.client.get(f"{PLACEMENT}/versions/{version}/changes").json()["items"]
    assert (change["id"], change["mark"], change["now"]) == ("hide-paypal", "new", change["now"])
    assert "PayPal" in change["now"]
    assert side.client.get(f"{PLACEMENT}/versions/{version}").json()["rules"][0]["id"] in (
        "hide-paypal",
        examples.RULE["id"],
    )


def test_second_editor_is_refused_and_can_read_the_first_change(side: Side):
    seen = side.client.get(f"{DRAFT}/rules/{examples.RULE['id']}").headers["etag"]
    mine, theirs = ({**examples.RULE, "name": name} for name in ("Mine", "Theirs"))
    assert save(side, mine, seen).status_code == 200
    refused = save(side, theirs, seen)
    assert (refused.status_code, refused.json()["type"]) == (412, "urn:tap2:problem:stale")
    now = side.client.get(f"{DRAFT}/rules/{examples.RULE['id']}")
    assert now.json()["rule"]["name"] == "Mine"
    assert save(side, theirs, now.headers["etag"]).status_code == 200
    assert save(side, {**examples.RULE, "id": "other"}, '"5"').status_code == 412
    without = side.client.put(f"{DRAFT}/rules/other", json={**examples.RULE, "id": "other"})
    assert without.status_code == 428


def test_deletion_and_all_changes_can_be_discarded(side: Side):
    path = f"{DRAFT}/rules/{examples.RULE['id']}"
    assert side.client.delete(path, headers=ANY).json()["mark"] == "deleted"
    assert [item["mark"] for item in side.client.get(DRAFT).json()["changes"]] == ["deleted"]
    assert side.client.delete(DRAFT, headers={"If-Match": '"7"'}).status_code == 412
    assert side.client.delete(DRAFT, headers=ANY).json()["changes"] == []
    assert publish(side).status_code == 409


def test_with_review_a_key_neither_publishes_rules_nor_approves_them(server: Server, side: Side):
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tester"))
    for refused in (
        side.client.post(f"{PLACEMENT}/rules", json=HIDE),
        side.client.delete(f"{PLACEMENT}/rules/{examples.RULE['id']}", headers=ANY),
    ):
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:tap2:problem:review-required")
    save(side, HIDE)
    review = side.client.post(f"{DRAFT}/review", json={"why": "please"}, headers=ANY).json()
    assert (review["state"], review["review"], review["why"]) == ("in_review", True, "please")
    assert publish(side).json()["type"] == "urn:tap2:problem:review-required"
    releases = server.engine.releases
    server.run(
        releases.approve(Actor(side.merchant.id, "bob@example.com"), "payment_methods", revision=review["revision"])
    )
    assert publish(side).status_code == 200
    assert "paypal" not in shown(side)


def test_a_draft_can_be_scheduled_and_taken_back(side: Side):
    save(side, HIDE)
    assert publish(side, publish_at="2020-01-01T00:00:00Z").status_code == 400
    assert publish(side, publish_at="2030-02-30T00:00:00Z").json()["field"] == "publish_at"
    answer = publish(side, publish_at="2030-01-01T00:00:00+01:00").json()
    assert answer == {"version": None, "publish_at": "2029-12-31T23:00:00.000Z"}
    assert side.client.get(DRAFT).json()["publish_at"] == "2029-12-31T23:00:00.000Z"
    assert side.client.delete(f"{DRAFT}/review", headers=ANY).json()["publish_at"] is None


def test_failing_scenario_stops_publishing_and_shows_its_result(side: Side):
    scenario = {"id": "s", "name": "PayPal for all", "context": {}, "expect": {"shown": ["paypal"]}}
    assert side.client.post(f"{PLACEMENT}/scenarios", json=scenario).status_code == 201
    save(side, HIDE)
    [outcome] = side.client.get(f"{DRAFT}/scenarios").json()["items"]
    assert outcome["holds"] is False
    refused = publish(side)
    assert refused.status_code == 400
    [error] = refused.json()["errors"]
    assert error["field"] == "scenario s of payment_methods"
    assert "paypal should be shown, but is hidden" in error["message"]
    assert "paypal" in shown(side)


def test_one_request_turns_a_decision_into_a_scenario(side: Side):
    decision = side.decide()
    made = side.client.post(f"/v1/decisions/{decision['decision_id']}/scenario").json()
    assert made["context"]["cart"] == examples.DECISION["context"]["cart"]
    assert made["expect"]["hidden"] == ["ideal"]
    assert side.client.post(f"{PLACEMENT}/scenarios", json=made).status_code == 201


def test_rule_set_is_exported_and_imported_unchanged(side: Side):
    exported = side.client.get(f"{PLACEMENT}/rule-set").json()
    back = side.client.put(DRAFT, json=exported, headers=ANY)
    assert back.status_code == 200
    assert back.json()["changes"] == []
    exported["rules"].append(HIDE)
    exported["rules"][0]["priority"] = 77
    changes = side.client.put(DRAFT, json=exported, headers=ANY).json()["changes"]
    assert {change["id"]: change["mark"] for change in changes} == {
        examples.RULE["id"]: "changed",
        "hide-paypal": "new",
    }
    assert side.client.get(f"{PLACEMENT}/rule-set?of=draft").json()["rules"][0]["priority"] == 77
    wrong = {"rules": [HIDE, {**HIDE, "id": "b", "effects": [{"exclude": ["bitcoin"]}]}]}
    refused = side.client.put(DRAFT, json=wrong, headers=ANY)
    assert (refused.status_code, refused.json()["field"]) == (400, "1/effects/0")


@pytest.mark.parametrize("path", [DRAFT, f"{DRAFT}/rules", f"{DRAFT}/scenarios", f"{PLACEMENT}/rule-set"])
def test_draft_of_another_merchant_answers_404(server: Server, side: Side, path: str):
    other, _ = server.sides()
    assert side.client.get(path).status_code == 200
    assert other.client.get(path).status_code == 404
    assert server.client(side.new_key("publishable")).get(path).status_code == 403


def test_draft_of_an_unknown_placement_answers_404(side: Side):
    nowhere = "/v1/placements/nowhere/draft"
    assert side.client.put(f"{nowhere}/rules/hide-paypal", json=HIDE, headers=ANY).status_code == 404
    assert side.client.delete(nowhere, headers=ANY).status_code == 404
    assert side.client.post(f"{nowhere}/review", json={}, headers={"If-Match": '"1000000"'}).status_code == 404
    assert side.client.post(f"{nowhere}/publish", json={}, headers={"If-Match": '"1000000"'}).status_code == 404
