"""Snapshots and the decisions that clients made by them, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from benchmarks.checks.offline_cases import answer_of
from engine.clock import now_ms
from tests.serving import Server, Side
from tests.web.people import add_person
from tests.web.test_api_door import HOSTILE

SNAPSHOTS, OFFLINE, PLACEMENT = "/v1/personalize/snapshots", "/v1/personalize/decisions/offline", "steps"
CONTEXT = {"cart": {"total": 12_900, "currency": "EUR"}}


@pytest.fixture(scope="module")
def merchant(server: Server) -> Side:
    side = server.sides()[0]
    side.create_examples()
    candidates = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}, {"id": "c", "label": "C"}]
    made = [
        side.client.post("/v1/placements", json={"key": PLACEMENT, "name": "Steps"}),
        side.client.post(f"/v1/placements/{PLACEMENT}/candidates", json=candidates),
    ]
    assert all(answer.status_code == 201 for answer in made), [answer.text for answer in made]
    return side


@pytest.fixture(scope="module")
def page(merchant: Side) -> httpx.Client:
    return merchant.server.client(merchant.new_key("publishable"))


def snapshot_for(client: httpx.Client) -> dict[str, Any]:
    answer = client.get(f"{SNAPSHOTS}/{PLACEMENT}")
    assert answer.status_code == 200, answer.text
    snapshot: dict[str, Any] = answer.json()
    return snapshot


def made(side: Side, snapshot: dict[str, Any], count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Return decisions as a client makes them."""
    active = side.server.engine.live.get(side.merchant.id, PLACEMENT)
    assert active is not None
    sent = []
    for number in range(first, first + count):
        id = f"dec_{now_ms():012x}{snapshot['id_suffix']}{number:06x}"
        decision = answer_of(active, CONTEXT, id)
        order = [ranked.id for ranked in decision.ranking]
        sent.append(
            {
                "decision_id": id,
                "snapshot": snapshot["token"],
                "context": CONTEXT,
                "ranking": order,
                "propensity": decision.propensity,
            }
        )
    return sent


def statuses(client: httpx.Client, sent: Any) -> list[str]:
    answer = client.post(OFFLINE, json=sent)
    assert answer.status_code == 202, answer.text
    return [item["status"] for item in answer.json()["results"]]


def test_500_decisions_are_taken_at_once_and_501_are_refused(merchant: Side):
    snapshot = snapshot_for(merchant.client)
    sent = made(merchant, snapshot, 501)
    answer = merchant.client.post(OFFLINE, json=sent)
    assert (answer.status_code, "1 to 500" in answer.text) == (400, True)
    assert statuses(merchant.client, sent[:500]) == ["recorded"] * 500
    assert statuses(merchant.client, sent[498:]) == ["duplicate"] * 2 + ["recorded"]
    for each in (sent[0], sent[499]):
        path = f"/v1/decisions/{each['decision_id']}"
        assert [ranked["id"] for ranked in merchant.client.get(path).json()["ranking"]] == each["ranking"]
        assert merchant.client.post(f"{path}/replay").json()["same"]


def test_a_page_decides_and_then_reports_with_tokens(merchant: Side, page: httpx.Client):
    snapshot = snapshot_for(page)
    sent = made(merchant, snapshot, snapshot["most_decisions"])
    answer = page.post(OFFLINE, json=sent).json()["results"]
    assert {item["status"] for item in answer} == {"recorded"}
    shown = {"event_id": "s", "decision_id": answer[0]["decision_id"], "type": "shown", "token": answer[0]["token"]}
    assert page.post("/v1/personalize/feedback", json=shown).json()["results"][0]["status"] == "recorded"
    other = {**shown, "decision_id": answer[1]["decision_id"]}
    assert page.post("/v1/personalize/feedback", json=other).json()["results"][0]["status"] == "invalid"
    # The token of a duplicate is as good: the first answer may have been lost.
    (again,) = page.post(OFFLINE, json=sent[:1]).json()["results"]
    assert (again["status"], again["token"][:3]) == ("duplicate", "dt_")
    assert "token" not in merchant.client.post(OFFLINE, json=made(merchant, snapshot_for(merchant.client), 1)).text


def test_a_page_sends_50_decisions_at_once(merchant: Side, page: httpx.Client):
    sent = [each for _ in range(2) for each in made(merchant, snapshot_for(page), 26)]
    assert statuses(page, sent) == ["recorded"] * 50 + ["too_many"] * 2


def test_snapshots_of_servers_pages_and_merchants_are_kept_apart(merchant: Side, page: httpx.Client, server: Server):
    ours = made(merchant, snapshot_for(merchant.client), 1)
    assert statuses(page, ours) == ["unknown_snapshot"]
    assert statuses(merchant.client, made(merchant, snapshot_for(page), 1)) == ["unknown_snapshot"]
    assert statuses(server.sides()[0].client, ours) == ["unknown_snapshot"]


def test_a_recent_snapshot_is_answered_with_304(page: httpx.Client, merchant: Side):
    tag = page.get(f"{SNAPSHOTS}/{PLACEMENT}").headers["etag"]
    again = page.get(f"{SNAPSHOTS}/{PLACEMENT}", headers={"if-none-match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert merchant.client.get(f"{SNAPSHOTS}/{PLACEMENT}", headers={"if-none-match": tag}).status_code == 200


def test_placement_that_needs_the_server_answers_409(page: httpx.Client):
    answer = page.get(f"{SNAPSHOTS}/payment_methods")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:tap2:problem:conflict")
    assert "its rules read facts" in answer.json()["detail"]
    assert page.get(f"{SNAPSHOTS}/no_such").status_code == 404
    assert page.get(f"{SNAPSHOTS}/{PLACEMENT}", headers={"sec-gpc": "1"}).status_code == 409


def test_a_browser_that_refuses_personalization_stores_nothing(merchant: Side, page: httpx.Client):
    (sent,) = made(merchant, snapshot_for(page), 1)
    answer = page.post(OFFLINE, json=sent, headers={"dnt": "1"}).json()["results"]
    assert answer[0]["status"] == "invalid"
    assert merchant.client.get(f"/v1/decisions/{sent['decision_id']}").status_code == 404


def test_pages_of_any_origin_may_call_both(server: Server):
    for path, method in ((f"{SNAPSHOTS}/{PLACEMENT}", "GET"), (OFFLINE, "POST")):
        headers = {"origin": "https://shop.example", "access-control-request-method": method}
        answer = httpx.options(f"{server.url}{path}", headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-methods"]) == (204, method)


WRONG: dict[str, list[Any]] = {
    "decision_id": [None, 1, "", "dec_1", "dec_" + "g" * 32, "dec_" + "0" * 33, "\0", ["a"]],
    "snapshot": [None, 1, "", "a b", "x" * 9_000, {}],
    "context": [[], "x", 1, {"cart": {"total": "\0"}}, {"cart": {"total": 10**400}}, {"a": "\ud800"}],
    "ranking": [None, "a", [1], [None], ["a"] * 256, [""], {"a": 1}],
    "propensity": [None, "1", -0.1, 1.1, [], True],
    "more": [1],
}


@pytest.mark.parametrize("field", WRONG)
def test_invalid_field_is_named_and_other_items_are_recorded(merchant: Side, field: str):
    snapshot = snapshot_for(merchant.client)
    sent = made(merchant, snapshot, 2 * len(WRONG[field]))
    for index, value in enumerate(WRONG[field]):
        sent[2 * index] = {**sent[2 * index], field: value}
    answer = merchant.client.post(OFFLINE, content=json.dumps(sent))
    assert answer.status_code == 202, answer.text
    results = answer.json()["results"]
    assert [item["status"] for item in results] == ["invalid", "recorded"] * len(WRONG[field])
    assert all(item["message"].startswith(field) for item in results[::2]), results


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("null", "true")])
def test_hostile_bodies_end_in_a_problem(merchant: Side, name: str):
    answer = merchant.client.post(OFFLINE, content=HOSTILE[name])
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"]


def test_a_body_over_a_mebibyte_is_refused(merchant: Side):
    (sent,) = made(merchant, snapshot_for(merchant.client), 1)
    answer = merchant.client.post(OFFLINE, json={**sent, "context": {"note": "x" * 1024 * 1024}})
    assert answer.status_code == 413


def test_each_decision_counts_against_the_limit(merchant: Side, monkeypatch: pytest.MonkeyPatch):
    counted: list[int] = []
    monkeypatch.setattr("web.api.offline.offline_decisions.admit_more", lambda *call: counted.append(call[-1]))
    statuses(merchant.client, made(merchant, snapshot_for(merchant.client), 7))
    assert counted == [6]


def test_decision_page_shows_that_a_client_made_the_decision(merchant: Side, server: Server):
    (sent,) = made(merchant, snapshot_for(merchant.client), 1)
    assert statuses(merchant.client, sent) == ["recorded"]
    online = merchant.client.post("/v1/personalize/decisions", json={"placement": PLACEMENT}).json()
    person, note = add_person(server, merchant), "The shop decided this while the server did not answer"
    page = person.get(f"/admin/decisions/{sent['decision_id']}")
    assert note in page
    assert "request.source" not in page
    assert note not in person.get(f"/admin/decisions/{online['decision_id']}")
    scenario = merchant.client.post(f"/v1/decisions/{sent['decision_id']}/scenario")
    assert scenario.is_success, scenario.text
